// Checks objects of Kubernetes strictly: each becomes a literal of the type that its apiVersion and kind name, and TypeScript refuses unknown fields, wrong types
// and values that are none of the allowed. The packages' own validate() accepts unknown fields.
//   node check-types.mjs FILE...      one line for each fault; exit code 1 if there is any
// Runs where node_modules of package.json are: ./test installs them into artifacts/deploy-types and copies this file there.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

const home = dirname(fileURLToPath(import.meta.url));
const operators = { "rabbitmq.com/v1beta1": true, "postgresql.cnpg.io/v1": true, "kueue.x-k8s.io/v1beta1": true };

/** Where the type of an object is declared, and its name there; null: nobody declares it. */
function typeOf({ apiVersion, kind }) {
  if (operators[apiVersion]) return { from: "../operators", name: kind };
  for (const root of ["kubernetes-models", "@kubernetes-models/keda"]) {
    if (existsSync(join(home, "node_modules", root, apiVersion, `${kind}.d.ts`))) return { from: `${root}/${apiVersion}/${kind}`, name: `I${kind}` };
  }
  return null;
}

const faults = [];
const lines = [];
const owners = []; // owners[line] says which object the line came from
for (const file of process.argv.slice(2)) {
  for (const document of parseAllDocuments(readFileSync(file, "utf8"))) {
    const object = document.toJS();
    for (const problem of [...document.errors, ...document.warnings]) faults.push(`${file}: ${problem.message}`);
    if (object === null) continue;
    const title = `${file} ${object.kind}/${object.metadata?.name}`;
    const type = typeOf(object);
    if (type === null) {
      faults.push(`${title}: no type for ${object.apiVersion} ${object.kind}`);
      continue;
    }
    const number = owners.length;
    for (const line of `import type { ${type.name} as T${number} } from ${JSON.stringify(type.from)};\nexport const o${number}: T${number} = ${JSON.stringify(object, null, 1)};`.split("\n")) {
      lines.push(line);
      owners[lines.length] = { title, line };
    }
  }
}

const work = mkdtempSync(join(home, "work-"));
try {
  writeFileSync(join(work, "objects.ts"), lines.join("\n") + "\n");
  writeFileSync(join(work, "tsconfig.json"), JSON.stringify({
    compilerOptions: { strict: true, noEmit: true, skipLibCheck: true, target: "es2022", module: "esnext", moduleResolution: "bundler", types: [] },
    files: ["objects.ts"],
  }));
  execFileSync(join(home, "node_modules", ".bin", "tsc"), ["--project", work, "--pretty", "false"], { encoding: "utf8" });
} catch (failed) {
  let isOfObject = false;
  for (const line of String(failed.stdout ?? failed).split("\n")) {
    const at = /objects\.ts\((\d+),\d+\): error TS\d+: (.*)/.exec(line);
    if (at) {
      const owner = owners[Number(at[1])];
      faults.push(`${owner.title}: ${owner.line.trim()}: ${at[2]}`);
      isOfObject = true;
    } else if (line.trim() !== "" && !(isOfObject && /^\s/.test(line))) {
      faults.push(line);
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
for (const fault of faults) console.log(fault);
process.exitCode = faults.length > 0 ? 1 : 0;

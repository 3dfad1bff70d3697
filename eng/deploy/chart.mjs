// Makes the Helm chart from the manifests of deploy/k8s: node artifacts/deploy-types/chart.mjs KUBECTL deploy/k8s TARGET
// The base is rendered alone and with each component. What a component adds or changes stands in the chart under a condition, and the four stages, which come from one
// template, become one loop. Values are what the manifests say. A test compares TARGET with deploy/helm/lathe, and what the chart renders with what kustomize renders.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parseAllDocuments, stringify } from "yaml";

const [kubectl, sourceFolder, target] = process.argv.slice(2);
const source = resolve(sourceFolder);

/** Components with the condition under which the chart has them. */
const components = {
  "s3": 'eq $.Values.store.kind "s3"',
  "shared-volume": 'eq $.Values.store.kind "volume"',
  "tls": "$.Values.tls.enabled",
  "ingress": "$.Values.ingress.enabled",
  "gpu": "and $.Values.gpu.enabled $stage.gpu",
  "kueue": "$.Values.kueue.enabled",
  "observability": "$.Values.observability.enabled",
};
const example = "prune"; // the stage that the loop's body is made from; it has everything that a stage can have

function render(names) {
  const folder = mkdtempSync(join(tmpdir(), "lathe-chart-"));
  try {
    writeFileSync(join(folder, "kustomization.yaml"), stringify({
      apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization",
      resources: [relative(folder, join(source, "base"))], components: names.map(name => relative(folder, join(source, "components", name))),
    }));
    const text = execFileSync(kubectl, ["kustomize", folder], { encoding: "utf8", maxBuffer: 1 << 26 });
    const objects = new Map();
    for (const document of parseAllDocuments(text)) {
      const object = document.toJS();
      if (object.kind === "Namespace") continue; // helm install --create-namespace
      delete object.metadata.namespace;
      objects.set(`${object.kind}/${object.metadata.name}`, object);
    }
    return objects;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// A node of a tree with conditions: { entries: [{ key, node, when }] }, { items: [{ node, when }] }, { value, others: [{ when, value }] } or { template }.
function nodeOf(raw) {
  if (Array.isArray(raw)) return { items: raw.map(item => ({ node: nodeOf(item) })) };
  if (raw !== null && typeof raw === "object") return { entries: Object.entries(raw).map(([key, value]) => ({ key, node: nodeOf(value) })) };
  if (typeof raw === "string" && raw.includes("\n")) throw new Error(`lines within a value: ${raw}`);
  if (typeof raw === "string" && raw.includes("{{")) throw new Error(`a template within a value: ${raw}`);
  return { value: raw, others: [] };
}

/** Adds to a node what differs between the base and the base with a component. */
function add(node, base, changed, when) {
  if (isDeepStrictEqual(base, changed)) return;
  if (node.items && Array.isArray(changed)) {
    if (changed.length < base.length) {
      const isLeft = item => changed.some(other => isDeepStrictEqual(item, other));
      if (base.filter(isLeft).length !== changed.length) throw new Error(`a component takes items away from ${JSON.stringify(base)} and changes others`);
      base.forEach((item, i) => { if (!isLeft(item)) node.items[i].when = `not (${when})`; });
      return;
    }
    base.forEach((item, i) => add(node.items[i].node, item, changed[i], when));
    for (const item of changed.slice(base.length)) node.items.push({ node: nodeOf(item), when });
  } else if (node.entries && changed !== null && typeof changed === "object") {
    for (const [key, value] of Object.entries(changed).filter(([key, value]) => !(key in base && isDeepStrictEqual(base[key], value)))) {
      const entry = node.entries.find(e => e.key === key && e.when === undefined);
      if (entry && key in base) add(entry.node, base[key], value, when);
      else node.entries.push({ key, node: nodeOf(value), when });
    }
    for (const key of Object.keys(base).filter(k => !(k in changed))) throw new Error(`a component takes ${key} away`);
  } else if ("value" in node) {
    node.others.push({ when, value: changed });
  } else {
    throw new Error(`a component makes something else of ${JSON.stringify(base)}`);
  }
}

function at(node, path) {
  return path.reduce((here, step) => {
    const found = typeof step === "number" ? here.items?.[step]?.node : here.entries?.find(e => e.key === step)?.node;
    if (!found) throw new Error(`there is no ${path.join(".")}`);
    return found;
  }, node);
}

/** Puts a template in the place of a node: `{{ expression }}` of a scalar, or YAML of a map. */
function put(node, path, template) {
  const parent = at(node, path.slice(0, -1));
  const step = path.at(-1);
  const slot = typeof step === "number" ? parent.items[step] : parent.entries.find(e => e.key === step && e.when === undefined);
  if (!slot) throw new Error(`there is no ${path.join(".")}`);
  slot.node = { template };
}

/** The port of an address among the values. */
function portOf(address, otherwise) {
  return `regexFind ":[0-9]+$" (urlParse ${address}).host | trimPrefix ":" | default (${otherwise})`;
}

const quoted = value => JSON.stringify(value);

function emit(node, indent) {
  const pad = " ".repeat(indent);
  if (node.entries) {
    if (node.entries.length === 0) return [`${pad}{}`];
    return node.entries.flatMap(({ key, node: child, when }) => conditional(when, keyed(`${pad}${/^[\w./-]+$/.test(key) ? key : quoted(key)}:`, child, indent + 2)));
  }
  return node.items.flatMap(({ node: child, when }) => {
    const lines = scalar(child) !== null ? [`${pad}- ${scalar(child)}`] : emit(child, indent + 2);
    if (scalar(child) === null) lines[0] = `${pad}- ${lines[0].slice(indent + 2)}`;
    return conditional(when, lines);
  });
}

function keyed(head, child, indent) {
  if (child.template?.isMap) return [head, `{{- toYaml ${child.template.isMap} | nindent ${indent} }}`];
  const text = scalar(child);
  return text !== null ? [`${head} ${text}`] : child.items?.length === 0 ? [`${head} []`] : child.entries?.length === 0 ? [`${head} {}`] : [head, ...emit(child, indent)];
}

function scalar(node) {
  if (node.template) return node.template.isMap ? null : node.template;
  if (!("value" in node)) return null;
  const last = quoted(node.value);
  return node.others.length === 0 ? last
    : node.others.map(({ when, value }, i) => `{{ ${i > 0 ? "else " : ""}if ${when} }}${quoted(value)}`).join("") + `{{ else }}${last}{{ end }}`;
}

const conditional = (when, lines) => when === undefined ? lines : [`{{- if ${when} }}`, ...lines, "{{- end }}"];

/** Replaces a text that must be there. */
function replaced(text, from, to) {
  if (!(from instanceof RegExp ? from.test(text) : text.includes(from))) throw new Error(`nothing to replace: ${from}`);
  return text.replaceAll(from, to);
}

// Files in ConfigMaps (dashboards, rules): files of the chart, since their own braces are nothing to Helm.
const attached = new Map();
const raised = object => object.kind === "ConfigMap" && Object.values(object.data).some(text => text.includes("\n"));
function fileMap(object) {
  const node = nodeOf({ ...object, data: {} });
  const data = at(node, ["data"]);
  for (const [key, text] of Object.entries(object.data)) {
    if (attached.has(key)) throw new Error(`two files are called ${key}`);
    attached.set(key, text);
    const lines = `$.Files.Get "files/${key}"`;
    data.entries.push({ key, node: { template: `{{ ${text.includes("-n lathe ") ? `${lines} | replace "-n lathe " (printf "-n %s " $.Release.Namespace)` : lines} | toJson }}` } });
  }
  return node;
}

const base = render([]);
const trees = new Map([...base].map(([name, object]) => [name, { node: nodeOf(object) }]));
for (const [component, when] of Object.entries(components)) {
  for (const [name, object] of render([component])) {
    if (base.has(name)) add(trees.get(name).node, base.get(name), object, when);
    else trees.set(name, { node: raised(object) ? fileMap(object) : nodeOf(object), when });
  }
}

// What the values decide.
const coordinator = trees.get("Deployment/coordinator").node;
const observers = [...trees].filter(([name, { when }]) => name.startsWith("Deployment/") && when === components.observability).map(([name]) => name.split("/")[1]);
const imageValue = name => name.replace(/^otel-/, "");
const pod = ["spec", "template", "spec", "containers", 0];
put(coordinator, ["spec", "replicas"], "{{ $.Values.coordinator.replicas }}");
put(coordinator, [...pod, "image"], "{{ $.Values.images.coordinator | quote }}");
put(coordinator, [...pod, "resources"], { isMap: "$.Values.coordinator.resources" });
put(trees.get("Job/migrations").node, [...pod, "image"], "{{ $.Values.images.coordinator | quote }}");
put(trees.get("Job/announce-" + example).node, [...pod, "image"], "{{ $.Values.images.worker | quote }}");
put(trees.get("ClusterQueue/lathe").node, ["spec", "resourceGroups"], { isMap: "$.Values.kueue.resourceGroups" });
put(trees.get("ClusterQueue/lathe").node, ["spec", "cohort"], "{{ $.Values.kueue.cohort | quote }}");
const settings = trees.get("ConfigMap/lathe-settings").node;
const endpoint = "$.Values.store.s3.endpoint";
at(settings, ["data"]).entries.push({ key: "AWS_ENDPOINT_URL_S3", node: { template: `{{ ${endpoint} | quote }}` }, when: `and (${components.s3}) ${endpoint}` });
put(trees.get("NetworkPolicy/bucket").node, ["spec", "egress", 0, "ports", 0, "port"], `{{ ${portOf(endpoint, `hasPrefix "http://" ${endpoint} | ternary 80 443`)} }}`);
const collector = at(settings, ["data"]).entries.find(e => e.key === "OTEL_EXPORTER_OTLP_ENDPOINT");
collector.node = { template: `{{ $.Values.telemetry.endpoint | default ${quoted(collector.node.value)} | quote }}` };
collector.when = `or $.Values.telemetry.endpoint ${components.observability}`;
for (const name of observers) put(trees.get(`Deployment/${name}`).node, [...pod, "image"], `{{ $.Values.observability.images.${imageValue(name)} | quote }}`);
put(settings, ["data", "LATHE_DRAIN"], "{{ $.Values.drainSeconds | quote }}");

const stages = [...base.keys()].filter(name => name.startsWith("Job/announce-")).map(name => name.slice("Job/announce-".length)).sort();
// A class of GPUs is a choice of nodes.
const ofExample = [...base.keys()].find(name => name.startsWith(`ScaledJob/stage-${example}-`));
add(trees.get(ofExample).node, render(["gpu"]).get(ofExample), render(["gpu-classes"]).get(ofExample), "$stage.class");
// Workers of a second class are a pool of its name.
at(trees.get(ofExample).node, ["spec", "jobTargetRef", ...pod.slice(1), "env"]).items.splice(1, 0,
  { node: { entries: [{ key: "name", node: nodeOf("LATHE_POOL") }, { key: "value", node: { template: "{{ $stage.class | quote }}" } }] }, when: "ne $of $name" });
const scaledJob = stage => [...base.values()].find(o => o.kind === "ScaledJob" && o.metadata.labels["lathe/stage"] === stage);
const values = { stages: {} };
for (const stage of stages) {
  const { metadata, spec } = scaledJob(stage);
  const container = spec.jobTargetRef.template.spec.containers[0];
  const { cpu, memory, "ephemeral-storage": scratch } = container.resources.requests;
  const gpu = !isDeepStrictEqual(scaledJob(stage), render(["gpu"]).get(`ScaledJob/${metadata.name}`));
  values.stages[stage] = { version: metadata.labels["app.kubernetes.io/version"], executable: container.command[0], maxReplicas: spec.maxReplicaCount, cpu, memory, scratch, gpu };
}

const shown = values.stages[example];
function looped(name) {
  let text = emit(trees.get(name).node, 0).join("\n");
  text = replaced(text, quoted(shown.executable), "{{ $stage.executable | quote }}");
  text = replaced(text, `lathe/stage: "${example}"`, "lathe/stage: {{ $of | quote }}");
  if (name.startsWith("Job/")) {
    text = replaced(text, `"announce-${example}"`, '"announce-{{ $name }}"');
  } else {
    text = replaced(text, `"stage-${example}-${shown.version}"`, '"stage-{{ $of }}-{{ $stage.version }}{{ if ne $of $name }}-{{ $stage.class }}{{ end }}"');
    text = replaced(text, `"stage.${example}.${shown.version}"`, '"stage.{{ $of }}.{{ $stage.version }}{{ if ne $of $name }}.pool.{{ $stage.class }}{{ end }}"');
    text = replaced(text, 'lathe/gpu: "large"', "lathe/gpu: {{ $stage.class | quote }}");
    text = replaced(text, `app.kubernetes.io/version: "${shown.version}"`, "app.kubernetes.io/version: {{ $stage.version | quote }}");
    text = replaced(text, `maxReplicaCount: ${shown.maxReplicas}`, "maxReplicaCount: {{ $stage.maxReplicas }}");
    text = replaced(text, `cpu: "${shown.cpu}"`, "cpu: {{ $stage.cpu | quote }}");
    text = replaced(text, `memory: "${shown.memory}"`, "memory: {{ $stage.memory | quote }}");
    text = replaced(text, `ephemeral-storage: "${shown.scratch}"`, "ephemeral-storage: {{ $stage.scratch | quote }}");
    text = replaced(text, `sizeLimit: "${shown.scratch}"`, "sizeLimit: {{ $stage.scratch | quote }}");
    text = replaced(text, '"lathe/worker-cuda:0.1.0"', "{{ $.Values.images.workerCuda | quote }}");
    text = replaced(text, '"lathe/worker:0.1.0"', "{{ $.Values.images.worker | quote }}");
  }
  return text;
}

/** The texts that stand for values wherever they are. */
function valued(text) {
  for (const [from, to] of [
    [/"lathe-secrets"/g, "{{ $.Values.secrets.name | quote }}"],
    ['"s3://lathe/store"', "{{ $.Values.store.s3.checkpoints | quote }}"],
    ['"s3://lathe/data"', "{{ $.Values.store.s3.data | quote }}"],
    ['"us-east-1"', "{{ $.Values.store.s3.region | quote }}"],
    ['"lathe-bucket"', "{{ $.Values.store.s3.secret | quote }}"],
    ['storage: "100Gi"', "storage: {{ $.Values.store.volume.checkpoints | quote }}"],
    ['storage: "300Gi"', "storage: {{ $.Values.store.volume.data | quote }}"],
    ['"lathe-ca"', "{{ $.Values.tls.authority | quote }}"],
    ['"lathe-grafana"', "{{ $.Values.observability.grafana.secret | quote }}"],
    ['"lathe-tls"', "{{ $.Values.ingress.tlsSecret | quote }}"],
    ['ingressClassName: "nginx"', "ingressClassName: {{ $.Values.ingress.className | quote }}"],
    ['"lathe.example.org"', "{{ $.Values.ingress.host | quote }}"],
    ["lathe.example.org,", "{{ $.Values.ingress.host }},"],
    ['kubernetes.io/metadata.name: "lathe"', "kubernetes.io/metadata.name: {{ $.Release.Namespace | quote }}"],
    ["coordinator.lathe.svc", "coordinator.{{ $.Release.Namespace }}.svc"],
    ["coordinator.lathe,", "coordinator.{{ $.Release.Namespace }},"],
  ]) text = text.replaceAll(from, to);
  return text;
}

const files = new Map();
const put1 = (file, text, when) => files.set(file, [...(files.get(file) ?? []), conditional(when, ["---", ...text.split("\n")]).join("\n")]);
for (const [name, { node, when }] of trees) {
  const [kind, title] = name.split("/");
  if (kind === "ScaledJob" || name.startsWith("Job/announce-")) continue;
  const file = kind === "NetworkPolicy" ? "network" : title === "coordinator" && kind !== "Ingress" ? "coordinator" : kind === "ServiceAccount" ? "service-accounts"
    : kind === "PersistentVolumeClaim" ? "volumes" : when === components.kueue ? "kueue" : when === components.observability ? "observability" : `${kind}-${title}`.toLowerCase();
  put1(file, emit(node, 0).join("\n"), when);
}
files.set("stages", [`{{- range $name, $entry := $.Values.stages }}
{{- $of := $entry.stage | default $name }}
{{- if not (hasKey $.Values.stages $of) }}{{ fail (printf "stages.%s.stage: there is no stage %s" $name $of) }}{{ end }}
{{- $stage := deepCopy (get $.Values.stages $of) }}
{{- range $key, $value := $entry }}{{ $_ := set $stage $key $value }}{{ end }}`,
  "---", looped(`ScaledJob/stage-${example}-${shown.version}`), "{{- if eq $of $name }}", "---", looped(`Job/announce-${example}`), "{{- end }}", "{{- end }}"]);
// What is denied by default, and the manifests leave to an overlay.
put1("network", `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: telemetry-elsewhere
  labels:
    app.kubernetes.io/part-of: lathe
spec:
  podSelector:
    matchExpressions:
      - { key: app.kubernetes.io/name, operator: In, values: [coordinator, worker, migrations] }
  policyTypes: [Egress]
  egress:
    - ports:
        - { protocol: TCP, port: {{ ${portOf("$.Values.telemetry.endpoint", "4317")} }} }`, "$.Values.telemetry.endpoint");
files.set("secrets", [`{{- if $.Values.secrets.create }}
{{- /* Not by the schema, whose answers repeat what was given. */}}
{{- if not (regexMatch "^(amqps?://.+)?$" $.Values.broker.address) }}{{ fail "broker.address must be like amqp://user:password@host:5672/" }}{{ end }}
{{- if not (regexMatch "^(https?://.+)?$" $.Values.broker.management) }}{{ fail "broker.management must be like http://user:password@host:15672/" }}{{ end }}
{{- if not (regexMatch "^(postgres(ql)?://.+)?$" $.Values.database.address) }}{{ fail "database.address must be like postgres://user:password@host/lathe" }}{{ end }}
{{- if and $.Values.apiKey (lt (len $.Values.apiKey) 32) }}{{ fail "apiKey must have 32 characters or more: openssl rand -hex 32" }}{{ end }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ $.Values.secrets.name | quote }}
  labels:
    app.kubernetes.io/part-of: lathe
stringData:
  LATHE_BROKER: {{ required "broker.address is missing: amqp://user:password@host:5672/" $.Values.broker.address | quote }}
  RABBITMQ_HTTP: {{ required "broker.management is missing: http://user:password@host:15672/" $.Values.broker.management | quote }}
  LATHE_DATABASE: {{ required "database.address is missing: postgres://user:password@host/lathe" $.Values.database.address | quote }}
  LATHE_API_KEY: {{ required "apiKey is missing: openssl rand -hex 32" $.Values.apiKey | quote }}
{{- end }}`]);

const { resources } = base.get("Deployment/coordinator").spec.template.spec.containers[0];
const { resourceGroups, cohort } = render(["kueue"]).get("ClusterQueue/lathe").spec;
const observability = render(["observability"]);
const observerImages = Object.fromEntries(observers.map(name => [imageValue(name), observability.get(`Deployment/${name}`).spec.template.spec.containers[0].image]));
const part = (comment, object) => `${comment.split("\n").map(line => `# ${line}`).join("\n")}\n${stringify(object, { lineWidth: 0 })}\n`;
const valuesText = [
  "# Made by eng/deploy/chart.mjs from deploy/k8s.\n\n",
  part("Images, in your registry, best with a digest: registry.example.org/lathe/worker@sha256:...", { images: { coordinator: "lathe/coordinator:0.1.0", worker: "lathe/worker:0.1.0", workerCuda: "lathe/worker-cuda:0.1.0" } }),
  part("The secret with LATHE_BROKER, RABBITMQ_HTTP, LATHE_DATABASE and LATHE_API_KEY. With create: true the chart makes it of the three parts below; otherwise it must be there.", { secrets: { name: "lathe-secrets", create: false } }),
  part("amqp://user:password@rabbitmq:5672/, and for KEDA http://user:password@rabbitmq.NAMESPACE:15672/", { broker: { address: "", management: "" } }),
  part("postgres://user:password@postgresql/lathe", { database: { address: "" } }),
  part("Key of the HTTP interface with every right, 32 characters or more.", { apiKey: "" }),
  part("Two coordinators share a database; either does all the work where the other is gone.", { coordinator: { replicas: base.get("Deployment/coordinator").spec.replicas, resources } }),
  part("A worker ends when its queue was empty for so long.", { drainSeconds: Number(base.get("ConfigMap/lathe-settings").data.LATHE_DRAIN) }),
  part("One ScaledJob for each. version is that of the stage in the image. A stage from outside is one entry more.\ngpu: it uses a GPU where gpu.enabled is true. class: its pods go to nodes with the label lathe/gpu: CLASS.\nWorkers of a stage on a second class of GPUs are an entry that names the stage, says what differs and takes the rest from it.\nThey are a pool of the class's name with a queue of its own: a sweep says pool: { prune: small } to have them.\n  prune-small: { stage: prune, class: small, maxReplicas: 8 }", values),
  part("Where checkpoints and data sets are: kind s3 (a bucket), volume (one that several nodes can write), or none.\nendpoint: a server other than Amazon's, https://host:port.", {
    store: {
      kind: "s3",
      s3: { checkpoints: "s3://lathe/store", data: "s3://lathe/data", endpoint: "", region: "us-east-1", secret: "lathe-bucket" },
      volume: { checkpoints: "100Gi", data: "300Gi" },
    },
  }),
  part("One GPU for each worker of the stages that have gpu: true.", { gpu: { enabled: false } }),
  part("The web page and the HTTP interface from outside.", { ingress: { enabled: false, host: "lathe.example.org", className: "nginx", tlsSecret: "lathe-tls" } }),
  part("An authority of your own signed the certificates of broker, database or bucket: ConfigMap with root.pem.", { tls: { enabled: false, authority: "lathe-ca" } }),
  part("One quota over all stages, with Kueue.", { kueue: { enabled: false, cohort, resourceGroups } }),
  part("Address of an OpenTelemetry Collector of yours, http://collector.monitoring:4317; empty: that of the chart where observability is enabled, otherwise nowhere.", { telemetry: { endpoint: "" } }),
  part("OpenTelemetry Collector, Jaeger, Prometheus with rules and alerts, Grafana with dashboards. The secret has Grafana's admin-password.", {
    observability: { enabled: false, grafana: { secret: "lathe-grafana" }, images: observerImages },
  }),
].join("").trimEnd() + "\n";

mkdirSync(join(target, "templates"), { recursive: true });
mkdirSync(join(target, "files"), { recursive: true });
writeFileSync(join(target, "Chart.yaml"), stringify({
  apiVersion: "v2", name: "lathe", version: "0.1.0", appVersion: "0.1.0", type: "application", kubeVersion: ">=1.29.0-0",
  description: "Sweeps of training, pruning and fixed-point quantization, each stage scaled by itself. Needs KEDA, RabbitMQ and PostgreSQL.",
}));
writeFileSync(join(target, "values.yaml"), valuesText);
for (const [file, texts] of files) writeFileSync(join(target, "templates", `${file}.yaml`), `# Made by eng/deploy/chart.mjs from deploy/k8s.\n${valued(texts.join("\n"))}\n`);
for (const [file, text] of attached) writeFileSync(join(target, "files", file), text);

// What values may be: helm refuses the others with their path.
const map = (properties, more = {}) => ({ type: "object", additionalProperties: false, properties, ...more });
const text = (pattern, description) => ({ type: "string", pattern, ...(description ? { description } : {}) });
const [flag, name, free] = [{ type: "boolean" }, text("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", "a name of an object"), { type: "object" }];
const count = { type: "integer", minimum: 1 };
const image = text("^\\S+(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]+)$", "with a tag or a digest");
const quantity = { type: ["string", "number"], pattern: "^[0-9]+([.][0-9]+)?(m|k|[KMGTPE]i|[MGTPE])?$", exclusiveMinimum: 0 };
const secret = { type: "string" };
const orNothing = pattern => text(`^$|${pattern}`);
const stage = map(
  {
    stage: name, class: text("^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"), version: { type: ["string", "integer"], pattern: "^[A-Za-z0-9_-]+$" }, executable: text("^/"), maxReplicas: count, cpu: quantity, memory: quantity, scratch: quantity,
    gpu: flag,
  },
  { if: { required: ["stage"] }, then: { required: ["class"] }, else: { required: ["version", "executable", "maxReplicas", "cpu", "memory", "scratch"] } });
const schema = map({
  global: free,
  images: map({ coordinator: image, worker: image, workerCuda: image }),
  secrets: map({ name, create: flag }),
  broker: map({ address: secret, management: secret }),
  database: map({ address: secret }),
  apiKey: secret,
  coordinator: map({ replicas: count, resources: map({ requests: free, limits: free }) }),
  drainSeconds: count,
  stages: { type: "object", propertyNames: { pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" }, additionalProperties: stage },
  store: map({
    kind: { enum: ["s3", "volume", "none"] },
    s3: map({ checkpoints: text("^s3://."), data: text("^s3://."), endpoint: orNothing("^https?://."), region: text("."), secret: name }),
    volume: map({ checkpoints: quantity, data: quantity }),
  }),
  gpu: map({ enabled: flag }),
  ingress: map({ enabled: flag, host: name, className: name, tlsSecret: name }),
  tls: map({ enabled: flag, authority: name }),
  kueue: map({ enabled: flag, cohort: name, resourceGroups: { type: "array", minItems: 1, items: free } }),
  telemetry: map({ endpoint: orNothing("^https?://") }),
  observability: map({ enabled: flag, grafana: map({ secret: name }), images: map(Object.fromEntries(Object.keys(observerImages).map(key => [key, image]))) }),
});
writeFileSync(join(target, "values.schema.json"), JSON.stringify({ $schema: "http://json-schema.org/draft-07/schema#", ...schema }, null, 2) + "\n");

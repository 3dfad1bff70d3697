// Runs a TFLite file in LiteRT, compiled for WebAssembly:
//   node litert.mjs FOLDER MODEL IMAGES OUT
// FOLDER has LiteRT in its node_modules. IMAGES are int8 inputs one after the other, OUT gets the outputs' bytes.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import vm from 'node:vm';

const [, , folder, modelPath, imagesPath, outPath] = process.argv;
const wasmFolder = resolve(folder, 'node_modules', '@litertjs', 'core', 'wasm');
const script = join(wasmFolder, 'litert_wasm_compat_internal.js');
// LiteRT's own loader is made for pages, and its tensors for floats; so this loads the script and fills the buffers itself.
const wrapped = `(function (require, __filename, __dirname) { ${readFileSync(script, 'utf8')}; return ModuleFactory; })`;
const create = vm.runInThisContext(wrapped, { filename: script })(createRequire(script), script, wasmFolder);
const litert = await create({ locateFile: (name) => join(wasmFolder, name), print: () => {}, printErr: () => {} });
litert.setupLogging();

const environment = litert.LiteRtEnvironment.create(null);
const bytes = readFileSync(modelPath);
const at = litert._malloc(bytes.length);
litert.HEAPU8.set(bytes, at);
const model = litert.loadModel(environment, at, bytes.length);
const options = { environment: { liteRtEnvironment: environment }, accelerator: 'wasm', cpuOptions: { numThreads: 1 }, gpuOptions: {}, webNNOptions: {} };
const compiled = await litert.compileModel(environment, model, options);

const type = model.getInputTensorType(0, 0);
const size = type.bytes();
const { HOST_MEMORY } = litert.LiteRtTensorBufferType;
const { READ, WRITE } = litert.LiteRtTensorBufferLockMode;
const input = litert.LiteRtTensorBuffer.createManaged(environment, HOST_MEMORY, type, size);
const images = readFileSync(imagesPath);
const made = [];
for (let image = 0; image + size <= images.length; image += size) {
  const to = input.lock(WRITE);
  litert.HEAPU8.set(images.subarray(image, image + size), to);
  input.unlock();
  for (const output of await compiled.run(0, [input])) {
    const from = output.lock(READ);
    made.push(Buffer.from(litert.HEAPU8.slice(from, from + output.packedSize())));
    output.unlock();
    output.delete();
  }
}
writeFileSync(outPath, Buffer.concat(made));

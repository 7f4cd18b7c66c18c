/* LiteRT.js: model files run on the processor, one input at a time, as run.py does on a board. */
import { Environment, Tensor, loadAndCompile, loadLiteRt } from "@litertjs/core";

let started;
// When it starts LiteRT would wake a graphics device, which nothing here uses.
const create = Environment.create.bind(Environment);
Environment.create = (options = { webGpuDevice: null }) => create(options);

/** Starts LiteRT once. `program()` must have put `ModuleFactory` in place when it resolves; `wasm()` gives its bytes. */
export function start(program, wasm) {
  started ??= Promise.all([wasm(), program()]).then(([wasmBinary]) => {
    self.Module = { wasmBinary, printErr };
    return loadLiteRt("litert.js");
  });
  return started;
}

/** LiteRT writes all it notes to the console's errors: only what is wrong belongs there. */
function printErr(line) {
  if (!/^(INFO|VERBOSE|WARNING)\b/.test(line)) console.error(line);
}

/** A model file that is ready to run. Inputs and outputs are Float32Arrays. */
export class Model {
  static async open(bytes) {
    return new Model(await loadAndCompile(bytes, { accelerator: "wasm" }));
  }

  constructor(compiled) {
    this.compiled = compiled;
    this.inputs = compiled.getInputDetails().map(({ name, shape }) => ({ name, shape: [...shape] }));
  }

  /** The outputs, in the file's order, of inputs by name; of an only input without. */
  async run(given) {
    const values = given instanceof Float32Array ? [given] : this.inputs.map(({ name }) => given[name]);
    const tensors = values.map((value, place) => new Tensor(value, this.inputs[place].shape));
    const outputs = await this.compiled.run(tensors);
    const found = outputs.map((one) => Float32Array.from(one.toTypedArray()));
    for (const one of [...tensors, ...outputs]) one.delete();
    return found;
  }

  async answer(input) {
    return (await this.run(input))[0];
  }
}

/** Text in base64 as bytes. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Bytes that gzip packed. */
export async function gunzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/* The vectors that came with the model: does it answer here as it did on the portal? The rules are run.py's. */
import { fromBase64 } from "./runtime.js";

/** {passed, count, wrong: [...]} of `vectors`: {dtype: "uint8" | "float32", inputs, outputs (base64), count, limit}. */
export async function selftest(model, vectors) {
  const bytes = fromBase64(vectors.inputs);
  const inputs = Float32Array.from(vectors.dtype === "uint8" ? bytes : new Float32Array(bytes.buffer));
  const outputs = new Float32Array(fromBase64(vectors.outputs).buffer);
  const [wide, deep] = [inputs.length / vectors.count, outputs.length / vectors.count];
  const wrong = [];
  for (let number = 0; number < vectors.count; number += 1) {
    const got = await model.answer(inputs.slice(number * wide, (number + 1) * wide));
    const wanted = outputs.slice(number * deep, (number + 1) * deep);
    if (differs(got, wanted, vectors.limit)) wrong.push(number);
  }
  return { passed: vectors.count - wrong.length, count: vectors.count, wrong };
}

/** An output may be off by `limit`, and a clear winner must win again. */
export function differs(got, wanted, limit) {
  const worst = got.reduce((most, value, place) => Math.max(most, Math.abs(value - wanted[place])), 0);
  if (!(worst <= limit)) return true; // also when it is NaN
  const [first, second] = [...wanted].sort((a, b) => b - a);
  return wanted.length > 1 && first - second > limit && best(got) !== best(wanted);
}

/** The number of the largest value. */
export function best(values) {
  return values.reduce((winner, value, place) => (value > values[winner] ? place : winner), 0);
}

/* Why the model answers as it does, worked out in the browser. */
import { blurred } from "./pixels.js";

/** Integrated gradients (Sundararajan, Taly and Yan 2017, arXiv:1703.01365, equation 1): the gradient of one output,
    averaged along the straight line from a baseline (the same picture blurred, as Fong and Vedaldi 2017,
    arXiv:1704.03296, blur to delete) to the input by the midpoint rule, times what lies between both.

    `gradients` is the Model that answers [gradient] to {input, output}, the latter one-hot; `spec` is the manifest's
    `explanation`; `picture` the pixels that the model sees; `tick(0..1)` may be awaited. All values together are the
    output's change from the baseline to the input, up to the error of the sum. */
export async function integratedGradients(gradients, spec, picture, output, outputs, tick = () => {}) {
  const chosen = new Float32Array(outputs);
  chosen[output] = 1;
  const input = Float32Array.from(picture.data);
  const baseline = blurred(picture, spec.blur);
  const between = input.map((value, place) => value - baseline[place]);
  const total = new Float64Array(input.length);
  for (let step = 0; step < spec.steps; step += 1) {
    const part = (step + 0.5) / spec.steps;
    const [gradient] = await gradients.run({ input: input.map((_, place) => baseline[place] + part * between[place]), output: chosen });
    gradient.forEach((value, place) => { total[place] += value; });
    await tick((step + 1) / spec.steps);
  }
  return between.map((value, place) => value * (total[place] / spec.steps));
}

/** For each column of a row: how much the chosen output falls when the column's value is missing. */
export async function withoutEach(model, spec, input, output) {
  const whole = (await model.answer(input))[output];
  const found = [];
  for (const [place, column] of spec.columns.entries()) {
    const without = Float32Array.from(input);
    without[place] = column.type === "category" ? -1 : NaN;
    found.push({ name: column.name, change: whole - (await model.answer(without))[output] });
  }
  return found;
}

/** What a pixel adds in all its channels. */
export function byPixel(attributions, channels) {
  return Float32Array.from({ length: attributions.length / channels }, (_, pixel) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) sum += attributions[pixel * channels + channel];
    return sum;
  });
}

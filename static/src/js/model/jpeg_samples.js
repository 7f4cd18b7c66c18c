/* From a JPEG's coefficients to pixels: inverse cosine transform, upsampling of colour, colour conversion; each in
   the integers of libjpeg, so that a photo becomes the same bytes here as in training. */
import { transforms } from "./jpeg_transform.js";

/** {width, height, channels, data} at 1/`scale` of the frame's size, rounded up. */
export function assemble(file, scale) {
  const { frame } = file;
  const smallest = 8 / scale;
  const width = Math.ceil(frame.width / scale);
  const height = Math.ceil(frame.height / scale);
  const planes = frame.components.map((one) => {
    const side = blockSide(frame, one, smallest);
    const plane = transformed(one, side);
    plane.width = Math.ceil((frame.width * one.h * side) / (frame.maxH * 8));
    plane.height = Math.ceil((frame.height * one.v * side) / (frame.maxV * 8));
    const group = { x: (one.h * side) / smallest, y: (one.v * side) / smallest };
    return upsampled(plane, { x: frame.maxH / group.x, y: frame.maxV / group.y }, smallest > 1, width, height);
  });
  if (planes.length === 1) return { width, height, channels: 1, data: planes[0] };
  return { width, height, channels: 3, data: isRgb(file) ? interleaved(planes) : converted(planes) };
}

/** How many pixels a side a block of the component becomes: more than the smallest where colour would be stretched. */
function blockSide({ maxH, maxV }, { h, v }, smallest) {
  let side = smallest;
  while (side < 8 && (maxH * smallest) % (h * side * 2) === 0 && (maxV * smallest) % (v * side * 2) === 0) side *= 2;
  return side;
}

function transformed({ blocks, stride, scale }, side) {
  const rows = blocks.length / 64 / stride;
  const line = stride * side;
  const data = new Uint8Array(line * rows * side);
  const transform = transforms[side];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < stride; column += 1) {
      transform(blocks, 64 * (row * stride + column), scale, data, row * side * line + column * side, line);
    }
  }
  return { data, line };
}

function upsampled(plane, factor, smooth, width, height) {
  const wide = plane.width > 2;
  const out = new Uint8Array(width * height);
  const row = rowMaker(plane, factor, smooth && wide, smooth);
  for (let y = 0; y < height; y += 1) row(y, out, y * width, width);
  return out;
}

/** libjpeg's choice: a triangle filter for factors of 2, else each value repeated. */
function rowMaker(plane, { x, y }, smoothAcross, smoothDown) {
  const { data, line } = plane;
  if (x === 2 && y === 1 && smoothAcross) return (row, out, to, width) => stretchAcross(plane, row, out, to, width);
  if (x === 2 && y === 2 && smoothAcross) return (row, out, to, width) => stretchBoth(plane, row, out, to, width);
  if (x === 1 && y === 2 && smoothDown) return (row, out, to, width) => stretchDown(plane, row, out, to, width);
  return (row, out, to, width) => {
    const from = Math.floor(row / y) * line;
    for (let column = 0; column < width; column += 1) out[to + column] = data[from + Math.floor(column / x)];
  };
}

function stretchAcross({ data, line, width: count }, row, out, to, width) {
  const from = row * line;
  for (let column = 0; column < width; column += 1) {
    const at = column >> 1;
    const near = at + (column & 1 ? 1 : -1);
    const value = data[from + at];
    out[to + column] = near < 0 || near >= count ? value : (3 * value + data[from + near] + (column & 1 ? 2 : 1)) >> 2;
  }
}

/** Which row is near besides its own; beyond the first and the last they stand for themselves. */
function neighbour({ line, height }, row) {
  const own = row >> 1;
  const near = Math.min(height - 1, Math.max(0, own + (row & 1 ? 1 : -1)));
  return [own * line, near * line];
}

function stretchBoth(plane, row, out, to, width) {
  const { data, width: count } = plane;
  const [own, near] = neighbour(plane, row);
  const sum = (at) => 3 * data[own + at] + data[near + at];
  for (let column = 0; column < width; column += 1) {
    const at = column >> 1;
    const side = at + (column & 1 ? 1 : -1);
    const value = sum(at);
    out[to + column] = (3 * value + (side < 0 || side >= count ? value : sum(side)) + (column & 1 ? 7 : 8)) >> 4;
  }
}

function stretchDown(plane, row, out, to, width) {
  const { data } = plane;
  const [own, near] = neighbour(plane, row);
  const bias = row & 1 ? 2 : 1;
  for (let column = 0; column < width; column += 1) {
    out[to + column] = (3 * data[own + column] + data[near + column] + bias) >> 2;
  }
}

function isRgb({ frame, jfif, adobe }) {
  if (jfif) return false;
  if (adobe !== undefined) return adobe === 0;
  return frame.components.map((one) => one.id).join() === "82,71,66"; // the letters R, G, B
}

function interleaved([red, green, blue]) {
  const out = new Uint8ClampedArray(3 * red.length);
  for (let at = 0; at < red.length; at += 1) out.set([red[at], green[at], blue[at]], 3 * at);
  return out;
}

/** ITU-R 601 in 16 bits after the point. */
function converted([luma, blue, red]) {
  const out = new Uint8ClampedArray(3 * luma.length);
  for (let at = 0; at < luma.length; at += 1) {
    const y = luma[at];
    const cb = blue[at] - 128;
    const cr = red[at] - 128;
    out[3 * at] = y + ((91881 * cr + 32768) >> 16);
    out[3 * at + 1] = y + ((-22554 * cb - 46802 * cr + 32768) >> 16);
    out[3 * at + 2] = y + ((116130 * cb + 32768) >> 16);
  }
  return out;
}

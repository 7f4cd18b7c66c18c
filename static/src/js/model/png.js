/* PNG to pixels (W3C PNG, third edition): a canvas would multiply colours by their transparency and lose some. All
   depths; of 16 bits the upper 8 stay, as in training. */
import { orientation } from "./exif.js";
import { Damaged } from "./jpeg.js";

const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // of a pixel, by colour type
/** Adam7: first column, first row, and the steps between. Without interlacing one pass takes all. */
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

/** {width, height, channels: 1 | 3 | 4, data, orientation}; 4 where anything may be transparent. */
export async function decode(bytes) {
  const { head, palette, clear, packed, turn } = readChunks(bytes);
  const raw = await inflated(packed);
  const samples = new Uint8Array(head.width * head.height * head.samples);
  let at = 0;
  for (const pass of head.interlaced ? PASSES : [[0, 0, 1, 1]]) at = readPass(raw, at, head, pass, samples);
  return { width: head.width, height: head.height, ...coloured(head, samples, palette, clear), orientation: turn };
}

function readChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = { packed: [], turn: 1 };
  for (let at = 8; at + 8 <= bytes.length;) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (name === "IHDR") found.head = readHead(body);
    if (name === "PLTE") found.palette = body;
    if (name === "tRNS") found.clear = body;
    if (name === "eXIf") found.turn = orientation(body.slice());
    if (name === "IDAT") found.packed.push(body);
    if (name === "IEND") break;
    at += length + 12;
  }
  if (!found.head || !found.packed.length) throw new Damaged("no picture in it");
  return found;
}

function readHead(body) {
  const view = new DataView(body.buffer, body.byteOffset, 13);
  const [depth, colour, , , interlaced] = body.subarray(8, 13);
  const samples = SAMPLES[colour];
  if (!samples || ![1, 2, 4, 8, 16].includes(depth)) throw new Damaged("an unknown kind of PNG");
  return { width: view.getUint32(0), height: view.getUint32(4), depth, colour, samples, interlaced: interlaced === 1 };
}

async function inflated(pieces) {
  const stream = new Blob(pieces).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Unfilters one pass from `at` on and puts its samples where they belong; returns where the next begins. */
function readPass(raw, at, head, [left, top, right, down], samples) {
  const columns = Math.ceil((head.width - left) / right);
  const rows = Math.ceil((head.height - top) / down);
  if (columns <= 0 || rows <= 0) return at;
  const line = Math.ceil((columns * head.samples * head.depth) / 8);
  const back = Math.max(1, (head.samples * head.depth) >> 3);
  let before = new Uint8Array(line);
  let place = at;
  for (let row = 0; row < rows; row += 1, place += line + 1) {
    const current = raw.subarray(place + 1, place + 1 + line);
    if (current.length < line) throw new Damaged("cut short");
    unfilter(raw[place], current, before, back);
    before = current;
    const to = (top + row * down) * head.width + left;
    for (let column = 0; column < columns; column += 1) {
      for (let sample = 0; sample < head.samples; sample += 1) {
        const value = sampleOf(current, column * head.samples + sample, head.depth);
        samples[(to + column * right) * head.samples + sample] = value;
      }
    }
  }
  return place;
}

function unfilter(kind, current, before, back) {
  for (let at = 0; at < current.length; at += 1) {
    const left = at >= back ? current[at - back] : 0;
    const up = before[at];
    if (kind === 1) current[at] += left;
    else if (kind === 2) current[at] += up;
    else if (kind === 3) current[at] += (left + up) >> 1;
    else if (kind === 4) current[at] += paeth(left, up, at >= back ? before[at - back] : 0);
  }
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

function sampleOf(line, number, depth) {
  if (depth === 8) return line[number];
  if (depth === 16) return line[2 * number];
  const bit = number * depth;
  return (line[bit >> 3] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

function coloured({ colour, depth }, samples, palette, clear) {
  if (colour === 3) return fromPalette(samples, palette, clear);
  if (colour === 0) {
    const factor = depth < 8 ? 255 / ((1 << depth) - 1) : 1;
    const grey = samples.map((value) => value * factor);
    if (!clear) return { channels: 1, data: grey };
    return withClear(grey, 1, [sampleOf(clear, 0, 16), clear[1]], depth, factor);
  }
  if (colour === 4) return { channels: 4, data: spread(samples, 2, (at) => [samples[at], samples[at], samples[at], samples[at + 1]]) };
  if (colour === 2 && clear) return withClear(samples, 3, [clear[1], clear[3], clear[5]], depth, 1);
  return { channels: colour === 6 ? 4 : 3, data: samples };
}

function spread(samples, step, pixel) {
  const out = new Uint8Array((samples.length / step) * 4);
  for (let at = 0, to = 0; at < samples.length; at += step, to += 4) out.set(pixel(at), to);
  return out;
}

function fromPalette(samples, palette, clear) {
  const colour = (at, channel) => palette[3 * samples[at] + channel];
  const data = spread(samples, 1, (at) => [colour(at, 0), colour(at, 1), colour(at, 2), clear?.[samples[at]] ?? 255]);
  return { channels: 4, data };
}

/** One colour is transparent, the rest is not. At 16 bits a pixel's lower half is gone: none is transparent then. */
function withClear(samples, step, key, depth, factor) {
  const chosen = step === 1 ? [key[1] * factor] : key;
  const data = spread(samples, step, (at) => {
    const rgb = step === 1 ? [samples[at], samples[at], samples[at]] : samples.subarray(at, at + 3);
    const hit = depth < 16 && chosen.every((value, channel) => samples[at + channel] === value);
    return [...rgb, hit ? 0 : 255];
  });
  return { channels: 4, data };
}

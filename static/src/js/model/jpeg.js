/* JPEG to pixels as libjpeg decodes it, at full size or at 1/2, 1/4 or 1/8: training drafts large photos that way, and
   no browser offers it. Baseline and progressive, Huffman coded, 8 bits, grey or colour (ITU-T T.81); Unsupported for
   the rest, which is rare: the browser's own decoder then has to do. */
import { orientation } from "./exif.js";
import { Bits, ZIGZAG, table } from "./jpeg_bits.js";
import { assemble } from "./jpeg_samples.js";

/** A JPEG that is whole, but of a kind that is not decoded here. */
export class Unsupported extends Error {}
/** No JPEG, or a damaged one. */
export class Damaged extends Error {}

/** {width, height, channels: 1 | 3, data, orientation}. `draft(width, height)` says at which 1/1, 1/2, 1/4, 1/8. */
export function decode(bytes, draft = () => 1) {
  const file = { bytes, at: 2, quantisers: [], dc: [], ac: [], interval: 0, orientation: 1 };
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new Damaged("no JPEG");
  try {
    readSegments(file);
  } catch (error) {
    throw error instanceof RangeError || error instanceof TypeError ? new Damaged("cut short") : error;
  }
  if (!file.frame?.components.every((one) => one.scale)) throw new Damaged("no picture in it");
  return { ...assemble(file, draft(file.frame.width, file.frame.height)), orientation: file.orientation };
}

function readSegments(file) {
  for (;;) {
    const marker = nextMarker(file);
    if (marker === 0xd9) return;
    if (marker >= 0xd0 && marker <= 0xd7) continue;
    const { bytes, at } = file;
    const length = (bytes[at] << 8) | bytes[at + 1];
    if (!(length >= 2) || at + length > bytes.length) throw new Damaged("cut short");
    file.at += length;
    readSegment(file, marker, bytes.subarray(at + 2, at + length));
  }
}

function nextMarker(file) {
  const { bytes } = file;
  while (file.at < bytes.length && bytes[file.at] !== 0xff) file.at += 1;
  while (bytes[file.at] === 0xff) file.at += 1;
  if (file.at >= bytes.length) throw new Damaged("cut short");
  const marker = bytes[file.at];
  file.at += 1;
  return marker === 0 ? nextMarker(file) : marker;
}

function readSegment(file, marker, body) {
  if (marker === 0xdb) return readQuantisers(file, body);
  if (marker === 0xc4) return readTables(file, body);
  if (marker === 0xdd) { file.interval = (body[0] << 8) | body[1]; return undefined; }
  if (marker === 0xda) return readScan(file, body);
  if (marker === 0xe0 && text(body, 5) === "JFIF\0") file.jfif = true;
  if (marker === 0xe1 && text(body, 6) === "Exif\0\0") file.orientation = orientation(body.slice(6));
  if (marker === 0xee && text(body, 5) === "Adobe") file.adobe = body[11];
  if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8 && marker !== 0xcc) readFrame(file, marker, body);
  return undefined;
}

function text(body, count) {
  return String.fromCharCode(...body.subarray(0, count));
}

function readQuantisers(file, body) {
  for (let at = 0; at < body.length;) {
    const wide = body[at] >> 4;
    const values = new Int32Array(64);
    file.quantisers[body[at] & 15] = values;
    at += 1;
    for (let place = 0; place < 64; place += 1, at += wide ? 2 : 1) {
      values[ZIGZAG[place]] = wide ? (body[at] << 8) | body[at + 1] : body[at];
    }
  }
}

function readTables(file, body) {
  for (let at = 0; at < body.length;) {
    const counts = body.subarray(at + 1, at + 17);
    const total = counts.reduce((sum, one) => sum + one, 0);
    const kind = body[at] >> 4 ? file.ac : file.dc;
    kind[body[at] & 15] = table(counts, body.subarray(at + 17, at + 17 + total));
    at += 17 + total;
  }
}

function readFrame(file, marker, body) {
  if (marker > 0xc2 || body[0] !== 8 || ![1, 3].includes(body[5])) throw new Unsupported("this kind of JPEG");
  const height = (body[1] << 8) | body[2];
  const width = (body[3] << 8) | body[4];
  if (!width || !height || file.frame) throw new Damaged("no size, or two");
  const components = Array.from({ length: body[5] }, (_, number) => {
    const at = 6 + 3 * number;
    return { id: body[at], h: body[at + 1] >> 4, v: body[at + 1] & 15, quantiser: body[at + 2] };
  });
  const maxH = Math.max(...components.map((one) => one.h));
  const maxV = Math.max(...components.map((one) => one.v));
  const columns = Math.ceil(width / (8 * maxH));
  const rows = Math.ceil(height / (8 * maxV));
  for (const one of components) {
    one.across = Math.ceil((width * one.h) / (8 * maxH)); // blocks that hold pixels, for scans of one component
    one.down = Math.ceil((height * one.v) / (8 * maxV));
    one.stride = columns * one.h;
    one.blocks = new Int16Array(columns * one.h * rows * one.v * 64);
  }
  file.frame = { width, height, components, maxH, maxV, columns, rows, progressive: marker === 0xc2 };
}

function readScan(file, body) {
  const { frame } = file;
  const count = body[0];
  const members = Array.from({ length: count }, (_, number) => {
    const component = frame.components.find((one) => one.id === body[1 + 2 * number]);
    const tables = body[2 + 2 * number];
    if (count === 1 || !component.scale) component.scale = file.quantisers[component.quantiser];
    return { component, dc: file.dc[tables >> 4], ac: file.ac[tables & 15], last: 0 };
  });
  const [start, end, bits] = body.subarray(1 + 2 * count);
  const reader = new Bits(file.bytes, file.at);
  const scan = { members, start, end, high: bits >> 4, low: bits & 15, run: 0 };
  const block = blockReader(frame, scan);
  walk(file, scan, reader, block);
  file.at = reader.end();
  if (reader.missing) throw new Damaged("cut short");
}

/** Visits the scan's blocks in the order they are coded: by turns where there are several components. */
function walk(file, scan, reader, block) {
  const { frame, interval } = file;
  const [only] = scan.members;
  const alone = scan.members.length === 1;
  const columns = alone ? only.component.across : frame.columns;
  const rows = alone ? only.component.down : frame.rows;
  for (let unit = 0; unit < columns * rows; unit += 1) {
    if (interval && unit && unit % interval === 0) restart(scan, reader);
    const row = Math.floor(unit / columns);
    const column = unit % columns;
    if (alone) block(reader, only, 64 * (row * only.component.stride + column));
    else {
      for (const member of scan.members) {
        const { h, v, stride } = member.component;
        for (let y = 0; y < v; y += 1) {
          for (let x = 0; x < h; x += 1) block(reader, member, 64 * ((row * v + y) * stride + column * h + x));
        }
      }
    }
  }
}

function restart(scan, reader) {
  reader.restart();
  scan.run = 0;
  for (const member of scan.members) member.last = 0;
}

function blockReader({ progressive }, scan) {
  if (!progressive) return baseline;
  if (scan.start === 0) return (reader, member, at) => (scan.high ? refineDc : firstDc)(reader, member, at, scan);
  return (reader, member, at) => (scan.high ? refineAc : firstAc)(reader, member, at, scan);
}

function baseline(reader, member, at) {
  const { blocks } = member.component;
  member.last += reader.signed(reader.symbol(member.dc));
  blocks[at] = member.last;
  for (let place = 1; place < 64; place += 1) {
    const symbol = reader.symbol(member.ac);
    const size = symbol & 15;
    place += symbol >> 4;
    if (size) blocks[at + ZIGZAG[place & 63]] = reader.signed(size);
    else if (symbol !== 0xf0) return;
  }
}

function firstDc(reader, member, at, { low }) {
  member.last += reader.signed(reader.symbol(member.dc));
  member.component.blocks[at] = member.last << low;
}

function refineDc(reader, member, at, { low }) {
  if (reader.bits(1)) member.component.blocks[at] |= 1 << low;
}

function firstAc(reader, member, at, scan) {
  if (scan.run) { scan.run -= 1; return; }
  const { blocks } = member.component;
  for (let place = scan.start; place <= scan.end; place += 1) {
    const symbol = reader.symbol(member.ac);
    const skip = symbol >> 4;
    const size = symbol & 15;
    if (!size && skip < 15) {
      scan.run = (1 << skip) + reader.bits(skip) - 1;
      return;
    }
    place += skip;
    if (size) blocks[at + ZIGZAG[place & 63]] = reader.signed(size) * (1 << scan.low);
  }
}

/** One more bit for what is not zero yet, between new coefficients (T.81, G.1.2.3). */
function refineAc(reader, member, at, scan) {
  const { blocks } = member.component;
  const bit = 1 << scan.low;
  let place = scan.start;
  const refine = (coefficient) => {
    if (reader.bits(1) && !(blocks[coefficient] & bit)) blocks[coefficient] += blocks[coefficient] < 0 ? -bit : bit;
  };
  while (!scan.run && place <= scan.end) {
    const symbol = reader.symbol(member.ac);
    let skip = symbol >> 4;
    let value = 0;
    if (symbol & 15) value = reader.bits(1) ? bit : -bit;
    else if (skip < 15) { scan.run = (1 << skip) + reader.bits(skip); break; }
    for (; place <= scan.end; place += 1) {
      const coefficient = at + ZIGZAG[place];
      if (blocks[coefficient]) refine(coefficient);
      else if (skip-- === 0) {
        blocks[coefficient] = value;
        break;
      }
    }
    place += 1;
  }
  if (!scan.run) return;
  for (; place <= scan.end; place += 1) if (blocks[at + ZIGZAG[place]]) refine(at + ZIGZAG[place]);
  scan.run -= 1;
}

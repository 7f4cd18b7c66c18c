/* The bits of a JPEG's scans: Huffman codes, and numbers of so many bits (ITU-T T.81, F.2.2). */

export const ZIGZAG = Uint8Array.of(
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
);

/** For each 16 bits that may come: the length of the code they begin with (upper byte), and its symbol. */
export function table(counts, symbols) {
  const found = new Uint16Array(65536);
  let code = 0;
  let number = 0;
  for (let length = 1; length <= 16; length += 1) {
    const span = 1 << (16 - length);
    for (let one = 0; one < counts[length - 1]; one += 1, number += 1) {
      found.fill((length << 8) | symbols[number], code, code + span);
      code += span;
    }
  }
  return found;
}

/** Reads from `at` on. At a marker zeros come, as in libjpeg; `missing` tells that the file itself had ended. */
export class Bits {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
    this.held = 0;
    this.count = 0;
    this.missing = false;
  }

  fill() {
    while (this.count <= 16) {
      this.held = (this.held << 8) | this.byte();
      this.count += 8;
    }
  }

  byte() {
    const { bytes, at } = this;
    if (at >= bytes.length) {
      this.missing = true;
      return 0;
    }
    if (bytes[at] !== 0xff) {
      this.at += 1;
      return bytes[at];
    }
    if (bytes[at + 1] !== 0) return 0; // a marker: left where it is
    this.at += 2;
    return 0xff;
  }

  symbol(codes) {
    this.fill();
    const entry = codes[(this.held >>> (this.count - 16)) & 0xffff];
    this.count -= entry >> 8;
    return entry & 255;
  }

  bits(size) {
    if (!size) return 0;
    this.fill();
    this.count -= size;
    return (this.held >>> this.count) & ((1 << size) - 1);
  }

  /** A number whose leading bit is its sign, inverted. */
  signed(size) {
    const value = this.bits(size);
    return size && value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
  }

  restart() {
    this.held = 0;
    this.count = 0;
    const at = this.end();
    if (at + 1 < this.bytes.length && this.bytes[at + 1] >= 0xd0 && this.bytes[at + 1] <= 0xd7) this.at = at + 2;
  }

  /** Where the next marker is. */
  end() {
    let { at } = this;
    const { bytes } = this;
    while (at < bytes.length && !(bytes[at] === 0xff && bytes[at + 1] !== 0 && bytes[at + 1] !== 0xff)) at += 1;
    return at;
  }
}

/* The inverse cosine transform of 8x8 coefficients to 8x8, 4x4, 2x2 or 1x1 pixels, after Loeffler, Ligtenberg and
   Moschytz 1989, in the fixed point of libjpeg's `islow` and its reduced forms: the same rounding, the same bytes.
   Each takes (coefficients, at, quantisers, pixels, to, line). */

const BITS = 13; // after the point, in the constants
const MORE = 2; // after the point, between the two passes
const work = new Int32Array(64);

const fix = (value) => Math.round(value * 2 ** BITS);
const F0_211 = fix(0.211164243), F0_298 = fix(0.298631336), F0_390 = fix(0.390180644), F0_509 = fix(0.509795579);
const F0_541 = fix(0.5411961), F0_601 = fix(0.601344887), F0_720 = fix(0.720959822), F0_765 = fix(0.765366865);
const F0_850 = fix(0.850430095), F0_899 = fix(0.899976223), F1_061 = fix(1.061594337), F1_175 = fix(1.175875602);
const F1_272 = fix(1.272758580), F1_451 = fix(1.451774981), F1_501 = fix(1.501321110), F1_847 = fix(1.847759065);
const F1_961 = fix(1.961570560), F2_053 = fix(2.053119869), F2_172 = fix(2.172734803), F2_562 = fix(2.562915447);
const F3_072 = fix(3.072711026), F3_624 = fix(3.624509785);

const rounded = (value, shift) => (value + (1 << (shift - 1))) >> shift;
const pixel = (value) => (value < -128 ? 0 : value > 127 ? 255 : value + 128);

/** Eight values (v0..v7 by frequency) to eight in `put(place, value)`. */
function eight(v0, v1, v2, v3, v4, v5, v6, v7, put) {
  const z1 = (v2 + v6) * F0_541;
  const t2 = z1 - v6 * F1_847;
  const t3 = z1 + v2 * F0_765;
  const t0 = (v0 + v4) << BITS;
  const t1 = (v0 - v4) << BITS;
  const z5 = (v7 + v3 + v5 + v1) * F1_175;
  const za = -(v7 + v1) * F0_899;
  const zb = -(v5 + v3) * F2_562;
  const zc = z5 - (v7 + v3) * F1_961;
  const zd = z5 - (v5 + v1) * F0_390;
  const o0 = v7 * F0_298 + za + zc;
  const o1 = v5 * F2_053 + zb + zd;
  const o2 = v3 * F3_072 + zb + zc;
  const o3 = v1 * F1_501 + za + zd;
  put(0, t0 + t3 + o3); put(7, t0 + t3 - o3);
  put(1, t1 + t2 + o2); put(6, t1 + t2 - o2);
  put(2, t1 - t2 + o1); put(5, t1 - t2 - o1);
  put(3, t0 - t3 + o0); put(4, t0 - t3 - o0);
}

function toEight(from, at, q, out, to, line) {
  for (let c = 0; c < 8; c += 1) {
    const value = (row) => from[at + c + 8 * row] * q[c + 8 * row];
    eight(value(0), value(1), value(2), value(3), value(4), value(5), value(6), value(7), (row, sum) => {
      work[c + 8 * row] = rounded(sum, BITS - MORE);
    });
  }
  for (let r = 0; r < 8; r += 1) {
    const w = 8 * r;
    eight(work[w], work[w + 1], work[w + 2], work[w + 3], work[w + 4], work[w + 5], work[w + 6], work[w + 7], (column, sum) => {
      out[to + r * line + column] = pixel(rounded(sum, BITS + MORE + 3));
    });
  }
}

function four(v0, v1, v2, v3, v5, v6, v7, put) {
  const t0 = v0 << (BITS + 1);
  const t2 = v2 * F1_847 - v6 * F0_765;
  const o0 = -v7 * F0_211 + v5 * F1_451 - v3 * F2_172 + v1 * F1_061;
  const o2 = -v7 * F0_509 - v5 * F0_601 + v3 * F0_899 + v1 * F2_562;
  put(0, t0 + t2 + o2); put(3, t0 + t2 - o2);
  put(1, t0 - t2 + o0); put(2, t0 - t2 - o0);
}

function toFour(from, at, q, out, to, line) {
  for (let c = 0; c < 8; c += 1) {
    if (c === 4) continue; // no value of it is used
    const value = (row) => from[at + c + 8 * row] * q[c + 8 * row];
    four(value(0), value(1), value(2), value(3), value(5), value(6), value(7), (row, sum) => {
      work[c + 8 * row] = rounded(sum, BITS - MORE + 1);
    });
  }
  for (let r = 0; r < 4; r += 1) {
    const w = 8 * r;
    four(work[w], work[w + 1], work[w + 2], work[w + 3], work[w + 5], work[w + 6], work[w + 7], (column, sum) => {
      out[to + r * line + column] = pixel(rounded(sum, BITS + MORE + 4));
    });
  }
}

function two(v0, v1, v3, v5, v7, put) {
  const even = v0 << (BITS + 2);
  const odd = -v7 * F0_720 + v5 * F0_850 - v3 * F1_272 + v1 * F3_624;
  put(0, even + odd);
  put(1, even - odd);
}

function toTwo(from, at, q, out, to, line) {
  for (const c of [0, 1, 3, 5, 7]) {
    const value = (row) => from[at + c + 8 * row] * q[c + 8 * row];
    two(value(0), value(1), value(3), value(5), value(7), (row, sum) => {
      work[c + 8 * row] = rounded(sum, BITS - MORE + 2);
    });
  }
  for (let r = 0; r < 2; r += 1) {
    const w = 8 * r;
    two(work[w], work[w + 1], work[w + 3], work[w + 5], work[w + 7], (column, sum) => {
      out[to + r * line + column] = pixel(rounded(sum, BITS + MORE + 5));
    });
  }
}

function toOne(from, at, q, out, to) {
  out[to] = pixel(rounded(from[at] * q[0], 3));
}

export const transforms = { 1: toOne, 2: toTwo, 4: toFour, 8: toEight };

/* From decoded pixels to a model's input: the steps 4 and 5 of jobs/datasets/formats/pixels.py, bit for bit.
   tests/frontend/test_pixels.py compares them with Pillow's. Pixels are {width, height, channels, data}. */

const PRECISION = 22; // bits after the point, as Pillow's resampling of 8-bit channels keeps them

/** RGBA laid over white: {channels: 3}. Pillow's alpha_composite in its 7 extra bits. */
export function opaque({ width, height, data }) {
  const out = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    const alpha = data[from + 3] * 128;
    for (let channel = 0; channel < 3; channel += 1) {
      const sum = data[from + channel] * alpha + 255 * (32640 - alpha) + (0x80 << 7);
      out[to + channel] = ((sum >> 8) + sum) >> 8 >> 7;
    }
  }
  return { width, height, channels: 3, data: out };
}

/** RGB to one channel of luma (ITU-R 601), grey to three, or the picture as it is. */
export function withChannels(picture, channels) {
  if (picture.channels === channels) return picture;
  const { width, height, data } = picture;
  const out = new Uint8Array(width * height * channels);
  if (channels === 3) {
    for (let at = 0; at < data.length; at += 1) out.fill(data[at], 3 * at, 3 * at + 3);
  } else {
    for (let at = 0; at < out.length; at += 1) {
      out[at] = (19595 * data[3 * at] + 38470 * data[3 * at + 1] + 7471 * data[3 * at + 2] + 0x8000) >> 16;
    }
  }
  return { width, height, channels, data: out };
}

/** Pillow's `resize` with BILINEAR: a triangle as wide as one pixel of the result. Each pass rounds, so their order
    counts: since Pillow 13 rows go first where the height loses more than twice as many pixels as the width. */
export function resize(picture, width, height) {
  const lost = picture.height - height;
  const rowsFirst = lost > 0 && lost > 2 * (picture.width - width);
  return (rowsFirst ? [down, across] : [across, down]).reduce((ready, pass) => pass(ready, pass === across ? width : height), picture);
}

/** For each of `size` places: where its pixels begin, and their weights in fixed point. */
function weights(from, size) {
  const scale = from / size;
  const support = Math.max(scale, 1);
  return Array.from({ length: size }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(from, Math.trunc(centre + support + 0.5));
    const triangle = [];
    for (let at = first; at < last; at += 1) {
      triangle.push(Math.max(0, 1 - Math.abs((at - centre + 0.5) * (1 / support))));
    }
    const total = triangle.reduce((sum, one) => sum + one, 0);
    return { first, factors: triangle.map((one) => Math.trunc(0.5 + (one / total) * 2 ** PRECISION)) };
  });
}

function across(picture, size) {
  const { width, height, channels, data } = picture;
  if (width === size) return picture;
  const out = new Uint8Array(size * height * channels);
  weights(width, size).forEach(({ first, factors }, column) => {
    for (let row = 0; row < height; row += 1) {
      const from = (row * width + first) * channels;
      blend(data, from, channels, factors, out, (row * size + column) * channels, channels);
    }
  });
  return { width: size, height, channels, data: out };
}

function down(picture, size) {
  const { width, height, channels, data } = picture;
  if (height === size) return picture;
  const out = new Uint8Array(width * size * channels);
  const line = width * channels;
  weights(height, size).forEach(({ first, factors }, row) => {
    blend(data, first * line, line, factors, out, row * line, line);
  });
  return { width, height: size, channels, data: out };
}

/** `count` neighbours of `out` from `to` on: each the weighted sum of the values `step` apart from `from` on. */
function blend(data, from, step, factors, out, to, count) {
  for (let value = 0; value < count; value += 1) {
    let sum = 1 << (PRECISION - 1);
    for (let at = 0, place = from + value; at < factors.length; at += 1, place += step) sum += data[place] * factors[at];
    out[to + value] = Math.min(255, sum >> PRECISION);
  }
}

/** Float32Array: the picture through a Gaussian of `sigma` pixels; beyond its edges they go on. */
export function blurred({ width, height, channels, data }, sigma) {
  const reach = Math.ceil(3 * sigma);
  const bell = Float64Array.from({ length: 2 * reach + 1 }, (_, place) => Math.exp(-((place - reach) ** 2) / (2 * sigma ** 2)));
  const total = bell.reduce((sum, one) => sum + one, 0);
  const pass = (from, step, count) => from.map((_, at) => {
    const here = Math.floor(at / step) % count;
    let sum = 0;
    for (let place = -reach; place <= reach; place += 1) {
      const near = Math.min(count - 1, Math.max(0, here + place));
      sum += bell[place + reach] * from[at + (near - here) * step];
    }
    return sum / total;
  });
  return pass(pass(Float32Array.from(data), channels, width), channels * width, height);
}

/** The picture as the camera was held: EXIF's orientation 1..8. */
export function upright(picture, orientation) {
  if (!(orientation >= 2 && orientation <= 8)) return picture;
  const { width, height, channels, data } = picture;
  const turned = orientation >= 5;
  const [across_, down_] = turned ? [height, width] : [width, height];
  const out = new Uint8Array(data.length);
  for (let y = 0; y < down_; y += 1) {
    for (let x = 0; x < across_; x += 1) {
      const [column, row] = origin(orientation, x, y, width - 1, height - 1);
      const from = (row * width + column) * channels;
      const to = (y * across_ + x) * channels;
      for (let channel = 0; channel < channels; channel += 1) out[to + channel] = data[from + channel];
    }
  }
  return { width: across_, height: down_, channels, data: out };
}

/** Which stored pixel an upright one comes from. */
function origin(orientation, x, y, right, bottom) {
  switch (orientation) {
    case 2: return [right - x, y];
    case 3: return [right - x, bottom - y];
    case 4: return [x, bottom - y];
    case 5: return [y, x];
    case 6: return [y, bottom - x];
    case 7: return [right - y, bottom - x];
    default: return [right - y, x];
  }
}

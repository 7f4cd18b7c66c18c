/* A picture file, or what a canvas holds, to a model's input: the steps of jobs/datasets/formats/pixels.py. */
import * as jpeg from "./jpeg.js";
import { opaque, resize, upright, withChannels } from "./pixels.js";
import * as png from "./png.js";

/** What cannot be read as a picture. */
export class NoPicture extends Error {}

/** Float32Array (height * width * channels), 0..255, and {width, height, channels, data} of the same. */
export async function fromFile(file, spec) {
  let decoded;
  try {
    decoded = await decode(file, spec);
  } catch (error) {
    throw new NoPicture(error.message, { cause: error });
  }
  return prepared(decoded, spec);
}

/** The same of ImageData: a camera's frame. */
export function fromImageData({ width, height, data }, spec) {
  return prepared({ width, height, channels: 4, data }, spec);
}

async function decode(file, spec) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    try {
      return jpeg.decode(bytes, (width, height) => drafted(width, height, spec));
    } catch (error) {
      if (!(error instanceof jpeg.Unsupported)) throw error;
    }
  } else if (bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47) {
    return png.decode(bytes);
  }
  return byBrowser(file);
}

/** Step 2: as small as both sides stay at least twice the longer side asked for. */
export function drafted(width, height, spec) {
  const wanted = 2 * Math.max(spec.width, spec.height);
  const possible = Math.min(Math.floor(width / wanted), Math.floor(height / wanted));
  return [8, 4, 2].find((scale) => possible >= scale) ?? 1;
}

/** GIF, BMP, WebP, and JPEG of rare kinds; the browser turns them upright itself. */
async function byBrowser(file) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const image = await createImageBitmap(file, options);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  image.close();
  const { width, height, data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { width, height, channels: 4, data };
}

/** Steps 3 to 6 of decoded pixels. */
export function prepared(decoded, spec) {
  const up = upright(decoded, decoded.orientation);
  const picture = resize(withChannels(up.channels === 4 ? opaque(up) : up, spec.channels), spec.width, spec.height);
  return { input: Float32Array.from(picture.data), picture };
}

/* The orientation (1..8) that a camera noted, in the TIFF block of EXIF. */

const ORIENTATION = 0x0112;

/** 1 where there is none, or none that can be read: broken EXIF beside good pixels is common. */
export function orientation(tiff) {
  try {
    const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
    const little = view.getUint16(0) === 0x4949;
    const folder = view.getUint32(4, little);
    const count = view.getUint16(folder, little);
    for (let entry = 0; entry < count; entry += 1) {
      const at = folder + 2 + 12 * entry;
      if (view.getUint16(at, little) === ORIENTATION) return view.getUint16(at + 8, little);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // an offset beyond the block's end
  }
  return 1;
}

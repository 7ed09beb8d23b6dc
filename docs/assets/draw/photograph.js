/** Picture files as RGBA pixels. */

import { MAX_PIXELS } from "./picture.js";

/** A picture that cannot be read; the message is for whoever chose it. */
export class PictureError extends Error {}

const SIGNATURES = [
  [0x89, 0x50, 0x4e, 0x47], // PNG
  [0xff, 0xd8, 0xff], // JPEG
];

/**
 * The pixels of a PNG or JPEG file, as the camera held it.
 *
 * @param {File|Blob} file
 * @returns {Promise<ImageData>}
 * @throws {PictureError}
 */
export async function decode(file) {
  const name = file.name || "The picture";
  const start = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  if (!SIGNATURES.some((signature) => signature.every((byte, i) => start[i] === byte))) {
    throw new PictureError(`${name} is no PNG or JPEG picture.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new PictureError(`${name} cannot be read: the file is broken.`);
  }
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) {
    throw new PictureError(`${name} has more than ${MAX_PIXELS.toLocaleString("en")} pixels.`);
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

import sharp, { type Metadata } from 'sharp';
import { hasAllScans, type ImageFormat } from './image-format.js';

// Runs in image workers only: sharp is not loaded in the server's process.

/** Reads only the first frame of an animation. */
export const inputWithin = (limitInputPixels: number) => ({ limitInputPixels, failOn: 'error', pages: 1 }) as const;

/** The largest image that is decoded, in pixels. */
export interface ImageLimits {
  pixels: number;
  side: number;
}

/** What the header says; a refusal if that differs from the format of the first bytes or is too large. */
export async function readHeader(
  bytes: Uint8Array,
  format: ImageFormat,
  limits: ImageLimits,
): Promise<Metadata | 'picture_damaged' | 'picture_too_large'> {
  const header = await sharp(bytes, { ...inputWithin(limits.pixels), limitInputPixels: false }).metadata();
  const actualFormat = header.format === 'heif' && header.compression === 'av1' ? 'avif' : header.format;
  if (actualFormat !== format) return 'picture_damaged';
  const height = header.pageHeight ?? header.height;
  const isTooLarge = header.width * height > limits.pixels || Math.max(header.width, height) > limits.side;
  return isTooLarge ? 'picture_too_large' : header;
}

const JPEG_END = Buffer.from([0xff, 0xd9]);
/** Continuations of a truncated file. Missing data is decoded differently with at least one of them. */
const CONTINUATIONS = [0x00, 0x33, 0x55, 0xaa, 0xcc, 0xf0].map((byte) => Buffer.alloc(16, byte));

/**
 * Decodes a JPEG without its end marker. libjpeg fills missing data without an error, so the image is decoded with
 * different continuations: it is complete if they make no difference.
 */
export async function decodeWithoutEndMarker<T extends { data: Buffer }>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  if (!hasAllScans(bytes)) throw new Error('scans are missing');
  const content = bytes.at(-1) === 0xff ? bytes.subarray(0, -1) : bytes; // the first byte of the marker
  let image: T | undefined;
  for (const continuation of CONTINUATIONS) {
    const next = await decode(Buffer.concat([content, continuation, JPEG_END]));
    if (image && !image.data.equals(next.data)) throw new Error('data is missing');
    image = next;
  }
  return image!;
}

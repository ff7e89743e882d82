import sharp, { type Sharp } from 'sharp';
import { type ProcessedImage, type ImageFormat, SIZES } from './image-format.js';

/**
 * A process that decodes images, one at a time. It gets no settings and no secrets, and a crash or a hang of a decoder ends
 * only this process. See image-processing.service.ts.
 */

const LARGEST_SIZE = 512;
const MAX_PIXELS = 25_000_000;
/** Loaders of libvips. All others are blocked, so that no other decoder can be reached. */
const LOADERS: Record<ImageFormat, string> = {
  jpeg: 'VipsForeignLoadJpegBuffer',
  png: 'VipsForeignLoadPngBuffer',
  webp: 'VipsForeignLoadWebpBuffer',
  gif: 'VipsForeignLoadNsgifBuffer',
  avif: 'VipsForeignLoadHeifBuffer',
};

/** The message to this process. */
export interface ImageJob {
  bytes: Uint8Array;
  format: ImageFormat;
}

/** The message from this process. */
export type ImageResult = ProcessedImage | { problem: 'picture_damaged' | 'picture_too_large' };

/** Of an animation only the first frame is read. */
const INPUT = { limitInputPixels: MAX_PIXELS, failOn: 'error', pages: 1 } as const;

async function processImage({ bytes, format }: ImageJob): Promise<ImageResult> {
  const header = await sharp(bytes, { ...INPUT, limitInputPixels: false }).metadata();
  const actualFormat = header.format === 'heif' && header.compression === 'av1' ? 'avif' : header.format;
  if (actualFormat !== format) return { problem: 'picture_damaged' };
  const height = header.pageHeight ?? header.height;
  if (header.width * height > MAX_PIXELS) return { problem: 'picture_too_large' };
  const square = await decodeSquare(bytes, header.autoOrient);
  const files = await Promise.all(
    SIZES.map(async (size) => ({ size, bytes: await square().resize(size).webp({ quality: 82 }).toBuffer() })),
  );
  return { files, hash: await perceptualHash(square()) };
}

/**
 * Decodes the whole image, upright, and returns the square in its middle. Scales before it crops: libvips does not decode
 * lines outside of the crop, so truncated files would pass.
 */
async function decodeSquare(
  bytes: Uint8Array,
  { width, height }: { width: number; height: number },
): Promise<() => Sharp> {
  const scale = Math.min(1, LARGEST_SIZE / Math.min(width, height));
  const scaled = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  const { data, info } = await sharp(bytes, INPUT)
    .autoOrient()
    .resize({ ...scaled, fit: 'fill' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const side = Math.min(info.width, info.height);
  const middle = { left: (info.width - side) >> 1, top: (info.height - side) >> 1, width: side, height: side };
  const square = await sharp(data, { raw: info, limitInputPixels: false })
    .extract(middle)
    .resize(LARGEST_SIZE)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return () => sharp(square.data, { raw: square.info });
}

/** Smaller differences of brightness are ignored: re-encoding adds and removes them. */
const MIN_BRIGHTNESS_STEP = 3;

/**
 * A difference hash: for each of 8 × 8 places, whether brightness rises to the right (64 bits) and downwards (64 bits).
 * Where it does not change, the bit depends on the colour; otherwise all plain images would have the same hash.
 */
async function perceptualHash(image: Sharp): Promise<string> {
  const opaque = image.flatten({ background: '#fff' }).toColourspace('srgb');
  const rgb = await opaque.resize(9, 9, { fit: 'fill' }).raw().toBuffer();
  const pixel = (x: number, y: number): Buffer => rgb.subarray((y * 9 + x) * 3);
  const places = Array.from({ length: 64 }, (_, i) => [i % 8, i >> 3] as const);
  const neighbours = [
    ...places.map(([x, y]) => [pixel(x, y), pixel(x + 1, y)] as const),
    ...places.map(([x, y]) => [pixel(x, y), pixel(x, y + 1)] as const),
  ];
  const bits = neighbours.map(([first, second], i) => {
    const step = brightness(second) - brightness(first);
    return Math.abs(step) > MIN_BRIGHTNESS_STEP ? step > 0 : colourBit(first, i);
  });
  return bits.map((bit) => (bit ? '1' : '0')).join('');
}

const brightness = (pixel: Buffer): number => 0.299 * pixel[0]! + 0.587 * pixel[1]! + 0.114 * pixel[2]!;

/**
 * Compares one channel with a threshold. Channel and threshold vary by place and half of the bits are inverted, so that
 * more bits differ the more two colours differ.
 */
const colourBit = (pixel: Buffer, place: number): boolean =>
  pixel[place % 3]! > ((place * 37) % 128) * 2 === (place % 2 === 0);

sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: Object.values(LOADERS) });

process.on('message', (job: ImageJob) => {
  processImage(job).then(
    (result) => process.send?.(result),
    () => process.send?.({ problem: 'picture_damaged' } satisfies ImageResult),
  );
});
// Ctrl-C reaches all processes of a terminal. This one ends when its parent kills it or disconnects.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));

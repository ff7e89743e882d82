import sharp, { type Sharp } from 'sharp';
import { type ProcessedImage, type ImageFormat, SIZES } from './image-format.js';

/**
 * The process that decodes, one picture at a time. It is a process of its own so that a crash or a hang of a decoder ends
 * nothing but itself; it gets no settings and no secrets. See pictures.ts.
 */

const LARGEST = 512;

const MAX_PIXELS = 25_000_000;
/** libvips's loaders: no others can be reached, whatever a file pretends to be. */
const LOADERS: Record<ImageFormat, string> = {
  jpeg: 'VipsForeignLoadJpegBuffer',
  png: 'VipsForeignLoadPngBuffer',
  webp: 'VipsForeignLoadWebpBuffer',
  gif: 'VipsForeignLoadNsgifBuffer',
  avif: 'VipsForeignLoadHeifBuffer',
};

export interface Job {
  bytes: Uint8Array;
  kind: ImageFormat;
}

export type Outcome = ProcessedImage | { refused: 'picture_damaged' | 'picture_too_large' };

/** An animation counts by its first frame. */
const INPUT = { limitInputPixels: MAX_PIXELS, failOn: 'error', pages: 1 } as const;

async function run({ bytes, kind }: Job): Promise<Outcome> {
  const { format, compression, pageHeight, ...header } = await sharp(bytes, {
    ...INPUT,
    limitInputPixels: false,
  }).metadata();
  const read = format === 'heif' && compression === 'av1' ? 'avif' : format;
  if (read !== kind) return { refused: 'picture_damaged' };
  const height = pageHeight ?? header.height;
  if (header.width * height > MAX_PIXELS) return { refused: 'picture_too_large' };
  const square = await decode(bytes, header.autoOrient);
  const files = await Promise.all(
    SIZES.map(async (size) => ({ size, bytes: await square().resize(size).webp({ quality: 82 }).toBuffer() })),
  );
  return { files, hash: await looks(square()) };
}

/**
 * All of the picture, upright, then the square in its middle. Scaled before it is cropped: libvips decodes no lines that
 * a crop will leave out, so that a file that is cut off there would pass.
 */
async function decode(bytes: Uint8Array, { width, height }: { width: number; height: number }): Promise<() => Sharp> {
  const scale = Math.min(1, LARGEST / Math.min(width, height));
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
    .resize(LARGEST)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return () => sharp(square.data, { raw: square.info });
}

/** Steps of brightness as small as this are none: encoding anew makes and unmakes them. */
const STEP = 3;

/**
 * Whether brightness rises to the right, and whether it rises downwards, at 8 × 8 places (a "difference hash"). Where it
 * does not change, the digit tells of the colour instead: else all plain pictures would look alike.
 */
async function looks(picture: Sharp): Promise<string> {
  const flat = picture.flatten({ background: '#fff' }).toColourspace('srgb');
  const rgb = await flat.resize(9, 9, { fit: 'fill' }).raw().toBuffer();
  const at = (x: number, y: number): Buffer => rgb.subarray((y * 9 + x) * 3);
  const places = Array.from({ length: 64 }, (_, i) => [i % 8, i >> 3] as const);
  const pairs = [
    ...places.map(([x, y]) => [at(x, y), at(x + 1, y)] as const),
    ...places.map(([x, y]) => [at(x, y), at(x, y + 1)] as const),
  ];
  const digits = pairs.map(([here, there], i) => {
    const step = brightness(there) - brightness(here);
    return Math.abs(step) > STEP ? step > 0 : tellsColour(here, i);
  });
  return digits.map((digit) => (digit ? '1' : '0')).join('');
}

const brightness = (pixel: Buffer): number => 0.299 * pixel[0]! + 0.587 * pixel[1]! + 0.114 * pixel[2]!;

/** At each place another channel and level, half of them turned around: so colours differ in the more digits the more they do. */
const tellsColour = (pixel: Buffer, place: number): boolean =>
  pixel[place % 3]! > ((place * 37) % 128) * 2 === (place % 2 === 0);

sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: Object.values(LOADERS) });

process.on('message', (job: Job) => {
  run(job).then(
    (outcome) => process.send?.(outcome),
    () => process.send?.({ refused: 'picture_damaged' } satisfies Outcome),
  );
});
// Ctrl-C reaches every process of a terminal; when this one ends is for its parent to say, or to show by being gone.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));

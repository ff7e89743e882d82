import sharp, { type Metadata, type OutputInfo, type Sharp } from 'sharp';
import { decodeWithoutEndMarker, inputWithin, readHeader } from './decoding.js';
import { formatOf, isComplete } from './image-format.js';
import { type ImageRefusal, type ProcessedSquare, type Size, SIZES } from './image-jobs.js';

const LARGEST_SIZE = 512;
/** A line of 25 million pixels takes longer than the time limit: its shorter side leaves nothing to scale down. */
const LIMITS = { pixels: 25_000_000, side: 16_384 };
const INPUT = inputWithin(LIMITS.pixels);

/** Effort 2 takes half of the processor time of the default, 4, for files that are 4 % larger. */
const WEBP = { quality: 82, effort: 2 };

/** Turns an image into square, upright WebP images in all sizes, without metadata. */
export async function makeSquareImages(bytes: Buffer): Promise<ProcessedSquare | ImageRefusal> {
  const format = formatOf(bytes);
  if (format === undefined) return { problem: 'unsupported_picture' };
  if (!isComplete(format, bytes)) return { problem: 'picture_damaged' };
  const header = await readHeader(bytes, format, LIMITS);
  if (typeof header === 'string') return { problem: header };
  const image = await decode(bytes, header).catch((error: unknown) => {
    if (format === 'jpeg') return decodeWithoutEndMarker(bytes, (completed) => decode(completed, header));
    throw error;
  });
  const square = (): Sharp => middleSquare(image);
  const encode = (size: Size): Promise<Buffer> => square().resize(size).toColourspace('srgb').webp(WEBP).toBuffer();
  const encoded = await Promise.all(SIZES.map(async (size) => [size, await encode(size)] as const));
  const files = Object.fromEntries(encoded) as Record<Size, Buffer>;
  return { files, hash: await perceptualHash(square()) };
}

interface Pixels {
  data: Buffer;
  width: number;
  height: number;
  channels: OutputInfo['channels'];
  /** Whether each channel has two bytes. */
  isDeep: boolean;
}

/**
 * Decodes the whole image, upright. Scales before it is cropped: libvips does not decode lines outside of the crop, so
 * truncated files would pass. Images with alpha keep 16 bits per channel: they are scaled premultiplied, and 8 bits
 * multiplied by a small alpha would lose the colour.
 */
async function decode(bytes: Uint8Array, header: Metadata): Promise<Pixels> {
  const isDeep = header.hasAlpha;
  const scale = Math.min(1, LARGEST_SIZE / Math.min(header.autoOrient.width, header.autoOrient.height));
  const [width, height] = [header.autoOrient.width, header.autoOrient.height].map((side) =>
    Math.max(1, Math.round(side * scale)),
  );
  const image = sharp(bytes, INPUT).autoOrient();
  if (isDeep) image.pipelineColourspace('rgb16');
  const { data, info } = await image
    .resize({ width: width!, height: height!, fit: 'fill' })
    .toColourspace(isDeep ? 'rgb16' : 'srgb')
    .raw({ depth: isDeep ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels, isDeep };
}

/** The square in the middle. `raw` must not be the `info` of sharp: that says premultiplied, and the pixels are not. */
function middleSquare({ data, width, height, channels, isDeep }: Pixels): Sharp {
  const pixels = isDeep ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2) : data;
  const image = sharp(pixels, { raw: { width, height, channels }, limitInputPixels: false });
  if (isDeep) image.pipelineColourspace('rgb16');
  const side = Math.min(width, height);
  return image.extract({ left: (width - side) >> 1, top: (height - side) >> 1, width: side, height: side });
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

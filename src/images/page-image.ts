import sharp, { type Metadata, type Sharp } from 'sharp';
import { decodeWithoutEndMarker, inputWithin, readHeader } from './decoding.js';
import { formatOf, type ImageFormat, isComplete } from './image-format.js';
import { type ImageRefusal, MAX_PAGE_BYTES, type ProcessedPage } from './image-jobs.js';
import { stripMetadata } from './strip-metadata.js';

const LIMITS = { pixels: 40_000_000, side: 10_000 };
const INPUT = inputWithin(LIMITS.pixels);

/** Widths in pixels and qualities of the smaller files. */
const READER = { width: 1600, quality: 82 };
const DATA_SAVER = { width: 960, quality: 60 };
const THUMBNAIL = { width: 256, quality: 75 };
/** Effort 2 takes half of the processor time of the default, 4, for files that are 4 % larger. */
const EFFORT = 2;

/** A larger colour profile is applied instead of being repeated in each file. */
const MAX_PROFILE_BYTES = 128 * 1024;

/** Makes the files of a page: the original without metadata, and smaller ones. Decodes the whole image. */
export async function makePageImages(bytes: Buffer): Promise<ProcessedPage | ImageRefusal> {
  if (bytes.length > MAX_PAGE_BYTES) return { problem: 'file_too_large' };
  const format = formatOf(bytes);
  if (format === undefined) return { problem: 'unsupported_picture' };
  if (!isComplete(format, bytes)) return { problem: 'picture_damaged' };
  const header = await readHeader(bytes, format, LIMITS);
  if (typeof header === 'string') return { problem: header };
  const original = await toOriginal(bytes, format, header);
  const open = await openForResizing(original.bytes, header);
  const scaled = (width: number): Sharp => open().resize({ width, withoutEnlargement: true });
  const toWebp = ({ width, quality }: typeof READER): Promise<Buffer> =>
    scaled(width).webp({ quality, effort: EFFORT }).toBuffer();
  const reader = await toWebp(READER);
  const data_saver = await toWebp(DATA_SAVER);
  const { width: thumbnailWidth, quality } = THUMBNAIL;
  const thumbnail = await scaled(thumbnailWidth).flatten({ background: '#fff' }).jpeg({ quality }).toBuffer();
  const { width, height } = header.autoOrient;
  return {
    format: original.format,
    width,
    height,
    files: { original: original.bytes, reader, data_saver, thumbnail },
  };
}

interface Original {
  format: ProcessedPage['format'];
  bytes: Buffer;
}

/** The file without its metadata. Of an animation, the first frame is encoded anew, without loss. */
async function toOriginal(bytes: Buffer, format: ImageFormat, header: Metadata): Promise<Original> {
  const firstFrame = (): Sharp => sharp(bytes, INPUT).autoOrient().keepIccProfile();
  if (format === 'gif') return { format: 'png', bytes: await firstFrame().png().toBuffer() };
  if (format === 'webp' && (header.pages ?? 1) > 1) {
    return { format, bytes: await firstFrame().webp({ lossless: true, effort: EFFORT }).toBuffer() };
  }
  const stripped = stripMetadata(format, bytes, header.orientation ?? 1);
  if (!stripped.isEnded) {
    await decodeWithoutEndMarker(bytes, async (completed) => ({
      data: await sharp(completed, INPUT).raw().toBuffer(),
    }));
  }
  return { format, bytes: stripped.bytes };
}

/**
 * Decodes the whole image and returns what opens it again for each file. Pixels are decoded once. With a colour profile, the
 * file is decoded each time, because decoded pixels carry no profile.
 */
async function openForResizing(original: Buffer, { icc, space, hasAlpha }: Metadata): Promise<() => Sharp> {
  const open = (): Sharp => sharp(original, INPUT).autoOrient();
  // Profiles of grey and of printing colours do not fit to the colours of WebP: sharp converts to sRGB.
  const keepsProfile = icc !== undefined && icc.length <= MAX_PROFILE_BYTES && space === 'srgb';
  if (keepsProfile) return () => open().keepIccProfile();
  const isGrey = space === 'b-w' && !hasAlpha && icc === undefined;
  const { data, info } = await open()
    .resize({ width: READER.width, withoutEnlargement: true })
    .toColourspace(isGrey ? 'b-w' : 'srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info; // not all of info: it says premultiplied, and the pixels are not
  return () => sharp(data, { raw: { width, height, channels } });
}

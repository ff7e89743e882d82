import { crc32 } from 'node:zlib';
import type { ImageFormat } from './image-format.js';
import { blankAvifMetadata } from './strip-avif.js';

// Removes metadata without decoding: the pixels stay as they are. Only what an image needs is kept: its data, its colour
// profile and its orientation. Everything unknown is removed, also what follows the end of the image.

/** An image without metadata. */
export interface StrippedImage {
  bytes: Buffer;
  /** Whether the file had the marker that ends an image. A JPEG may lack it. */
  isEnded: boolean;
}

/** Removes the metadata of a complete image. `orientation` as in EXIF, 1 to 8. Throws RangeError for a damaged file. */
export function stripMetadata(format: Exclude<ImageFormat, 'gif'>, bytes: Buffer, orientation: number): StrippedImage {
  if (format === 'jpeg') return stripJpeg(bytes, orientation);
  const strip = { png: stripPng, webp: stripWebp, avif: blankAvifMetadata }[format];
  return { bytes: strip(bytes, orientation), isEnded: true };
}

/** A TIFF structure with the orientation only (EXIF 2.32, section 4.6). */
function orientationTiff(orientation: number): Buffer {
  const tiff = Buffer.from('49492a0008000000010012010300010000000000000000000000', 'hex');
  tiff.writeUInt16LE(orientation, 18);
  return tiff;
}

const isStandalone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);

/** https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1. Keeps of the application segments those that change the colours. */
function stripJpeg(bytes: Buffer, orientation: number): StrippedImage {
  const parts = [bytes.subarray(0, 2)];
  if (orientation > 1) parts.push(jpegSegment(0xe1, Buffer.from('Exif\0\0'), orientationTiff(orientation)));
  for (let at = 2; at < bytes.length;) {
    const end = bytes.indexOf(0xff, at);
    if (end < 0 || end + 1 >= bytes.length) return endJpeg(parts, bytes.subarray(at));
    if (end > at) parts.push(bytes.subarray(at, end)); // the data of a scan
    const marker = bytes[end + 1]!;
    if (marker === 0xd9) return { bytes: Buffer.concat([...parts, JPEG_END]), isEnded: true };
    if (marker === 0xff) {
      at = end + 1; // a fill byte
    } else if (marker === 0 || isStandalone(marker)) {
      parts.push(bytes.subarray(end, end + 2));
      at = end + 2;
    } else {
      const length = bytes.readUInt16BE(end + 2);
      if (length < 2) throw new RangeError('a segment is shorter than its length');
      at = end + 2 + length;
      parts.push(...keptJpegSegment(marker, bytes.subarray(end, at)));
    }
  }
  return endJpeg(parts, Buffer.alloc(0));
}

const JPEG_END = Buffer.from([0xff, 0xd9]);

/** Adds the marker that the file lacks. */
const endJpeg = (parts: Buffer[], rest: Buffer): StrippedImage => ({
  bytes: Buffer.concat([...parts, rest.at(-1) === 0xff ? rest.subarray(0, -1) : rest, JPEG_END]),
  isEnded: false,
});

function keptJpegSegment(marker: number, segment: Buffer): Buffer[] {
  const isApplication = marker >= 0xe0 && marker <= 0xef;
  const startsWith = (name: string): boolean => segment.toString('latin1', 4, 4 + name.length) === name;
  if (marker === 0xe0 && startsWith('JFIF\0')) return [jpegSegment(0xe0, withoutThumbnail(segment.subarray(4, 18)))];
  if (marker === 0xe2 && startsWith('ICC_PROFILE\0')) return [segment];
  if (marker === 0xee && startsWith('Adobe')) return [segment];
  return isApplication || marker === 0xfe ? [] : [segment];
}

/** The fields of a JFIF segment, with a thumbnail of 0 × 0 pixels. */
const withoutThumbnail = (jfif: Buffer): Buffer => Buffer.concat([jfif.subarray(0, 12), Buffer.alloc(2)], 14);

function jpegSegment(marker: number, ...content: Buffer[]): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(2 + content.reduce((sum, { length }) => sum + length, 0), 2);
  return Buffer.concat([head, ...content]);
}

/** Without the chunks of APNG, whose default image is kept. https://www.w3.org/TR/png-3/#5Chunk-layout */
const PNG_CHUNKS = new Set([
  'IHDR',
  'PLTE',
  'IDAT',
  'IEND',
  'tRNS',
  'cHRM',
  'gAMA',
  'iCCP',
  'sBIT',
  'sRGB',
  'cICP',
  'bKGD',
  'pHYs',
]);

function stripPng(bytes: Buffer, orientation: number): Buffer {
  const parts = [bytes.subarray(0, 8)];
  for (let at = 8; ;) {
    const end = at + 12 + bytes.readUInt32BE(at);
    const name = bytes.toString('latin1', at + 4, at + 8);
    if (PNG_CHUNKS.has(name)) parts.push(bytes.subarray(at, end));
    if (name === 'IHDR' && orientation > 1) parts.push(pngChunk('eXIf', orientationTiff(orientation)));
    if (name === 'IEND') return Buffer.concat(parts);
    at = end;
  }
}

function pngChunk(name: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, checksum]);
}

/** https://developers.google.com/speed/webp/docs/riff_container. Animations are encoded anew before. */
const WEBP_CHUNKS = new Set(['VP8X', 'ICCP', 'ALPH', 'VP8 ', 'VP8L']);
const WEBP_EXIF = 0x08;
const WEBP_XMP_AND_ANIMATION = 0x06;

function stripWebp(bytes: Buffer, orientation: number): Buffer {
  const parts: Buffer[] = [];
  const end = Math.min(bytes.length, 8 + bytes.readUInt32LE(4));
  for (let at = 12; at + 8 <= end;) {
    const name = bytes.toString('latin1', at, at + 4);
    const next = at + 8 + bytes.readUInt32LE(at + 4);
    if (next > bytes.length) throw new RangeError('a chunk is shorter than its length');
    if (WEBP_CHUNKS.has(name))
      parts.push(webpChunk(name, withWebpFlags(name, bytes.subarray(at + 8, next), orientation)));
    at = next + (next % 2);
  }
  if (orientation > 1) parts.push(webpChunk('EXIF', orientationTiff(orientation)));
  const content = Buffer.concat([Buffer.from('WEBP'), ...parts]);
  const head = Buffer.from('RIFF\0\0\0\0', 'latin1');
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

function withWebpFlags(name: string, data: Buffer, orientation: number): Buffer {
  if (name !== 'VP8X') return data;
  const header = Buffer.from(data);
  const others = header.readUInt8(0) & ~(WEBP_EXIF | WEBP_XMP_AND_ANIMATION);
  header.writeUInt8(others | (orientation > 1 ? WEBP_EXIF : 0), 0);
  return header;
}

function webpChunk(name: string, data: Buffer): Buffer {
  const head = Buffer.from(`${name}\0\0\0\0`, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
}

/** Image formats that are accepted. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif';

/** Side lengths of the stored square images, in pixels. */
export const SIZES = [64, 128, 256, 512] as const;
export type Size = (typeof SIZES)[number];

/** The images made from an upload. */
export interface ProcessedImage {
  /** One WebP per size. */
  files: { size: Size; bytes: Buffer }[];
  /** Perceptual hash of 128 binary digits. */
  hash: string;
}

const text = (bytes: Buffer, start: number, end: number): string => bytes.toString('latin1', start, end);

/** Detects the format by the first bytes, ignoring the file name and media type; undefined for formats not accepted. */
export function formatOf(bytes: Buffer): ImageFormat | undefined {
  if (text(bytes, 0, 3) === '\xff\xd8\xff') return 'jpeg';
  if (text(bytes, 0, 8) === '\x89PNG\r\n\x1a\n') return 'png';
  if (/^GIF8[79]a$/.test(text(bytes, 0, 6))) return 'gif';
  if (text(bytes, 0, 4) === 'RIFF' && text(bytes, 8, 12) === 'WEBP') return 'webp';
  return isAvif(bytes) ? 'avif' : undefined;
}

/** ISO/IEC 23000-22: the file type box lists the brand "avif", or "avis" for image sequences. */
function isAvif(bytes: Buffer): boolean {
  if (bytes.length < 16 || text(bytes, 4, 8) !== 'ftyp') return false;
  const brands = text(bytes, 8, Math.min(bytes.readUInt32BE(0), 256)).match(/.{4}/gs) ?? [];
  return brands.some((brand, i) => i !== 1 && (brand === 'avif' || brand === 'avis')); // the second entry is a version
}

/** Whether the file is complete. Checked for PNG and GIF, whose decoders accept files without their last bytes. */
export function isComplete(format: ImageFormat, bytes: Buffer): boolean {
  try {
    return format === 'png' ? isCompletePng(bytes) : format === 'gif' ? isCompleteGif(bytes) : true;
  } catch (error) {
    if (error instanceof RangeError) return false; // read past the last byte
    throw error;
  }
}

/** A PNG consists of chunks (length, name, data, checksum) up to IEND. https://www.w3.org/TR/png-3/#5Chunk-layout */
function isCompletePng(bytes: Buffer): boolean {
  for (let at = 8; ;) {
    const end = at + 12 + bytes.readUInt32BE(at);
    if (text(bytes, at + 4, at + 8) === 'IEND') return end <= bytes.length;
    at = end;
  }
}

/** The offset after a colour table, if the flags announce one. */
const skipColourTable = (flags: number, at: number): number => (flags & 0x80 ? at + 3 * 2 ** ((flags & 7) + 1) : at);

/** A GIF consists of blocks up to a trailer. https://www.w3.org/Graphics/GIF/spec-gif89a.txt */
function isCompleteGif(bytes: Buffer): boolean {
  const skipBlocks = (start: number): number => {
    let at = start;
    for (let size = bytes.readUInt8(at); size > 0; size = bytes.readUInt8(at)) at += size + 1;
    return at + 1;
  };
  let at = skipColourTable(bytes.readUInt8(10), 13);
  for (;;) {
    const introducer = bytes.readUInt8(at);
    if (introducer === 0x3b) return true; // trailer
    if (introducer === 0x21)
      at = skipBlocks(at + 2); // extension
    else if (introducer === 0x2c)
      at = skipBlocks(skipColourTable(bytes.readUInt8(at + 9), at + 10) + 1); // image
    else return false;
  }
}

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif';

/** Lengths of the sides of the square that an avatar is, in pixels. */
export const SIZES = [64, 128, 256, 512] as const;
export type Size = (typeof SIZES)[number];

/** A picture as Machi made it. */
export interface ProcessedImage {
  /** One WebP a size. */
  files: { size: Size; bytes: Buffer }[];
  /** What it looks like, as 128 binary digits. */
  hash: string;
}

const text = (bytes: Buffer, start: number, end: number): string => bytes.toString('latin1', start, end);

/** The kind of a picture by its first bytes, whatever its name and sender say; undefined for what is not taken. */
export function formatOf(bytes: Buffer): ImageFormat | undefined {
  if (text(bytes, 0, 3) === '\xff\xd8\xff') return 'jpeg';
  if (text(bytes, 0, 8) === '\x89PNG\r\n\x1a\n') return 'png';
  if (/^GIF8[79]a$/.test(text(bytes, 0, 6))) return 'gif';
  if (text(bytes, 0, 4) === 'RIFF' && text(bytes, 8, 12) === 'WEBP') return 'webp';
  return isAvif(bytes) ? 'avif' : undefined;
}

/** ISO/IEC 23000-22: "avif" (or "avis", a sequence of them) among the brands of the file type box. */
function isAvif(bytes: Buffer): boolean {
  if (bytes.length < 16 || text(bytes, 4, 8) !== 'ftyp') return false;
  const brands = text(bytes, 8, Math.min(bytes.readUInt32BE(0), 256)).match(/.{4}/gs) ?? [];
  return brands.some((brand, i) => i !== 1 && (brand === 'avif' || brand === 'avis')); // the second is a version
}

/** Whether the file goes on to its own end, where the decoders would not notice: PNG and GIF, frame by frame. */
export function isWhole(kind: ImageFormat, bytes: Buffer): boolean {
  try {
    return kind === 'png' ? endsAsPng(bytes) : kind === 'gif' ? endsAsGif(bytes) : true;
  } catch (error) {
    if (error instanceof RangeError) return false; // past the last byte
    throw error;
  }
}

/** Chunks of length, name, data and checksum, the last of them IEND. https://www.w3.org/TR/png-3/#5Chunk-layout */
function endsAsPng(bytes: Buffer): boolean {
  for (let at = 8; ;) {
    const end = at + 12 + bytes.readUInt32BE(at);
    if (text(bytes, at + 4, at + 8) === 'IEND') return end <= bytes.length;
    at = end;
  }
}

/** Past a colour table, where the flags say that there is one. */
const skipTable = (flags: number, at: number): number => (flags & 0x80 ? at + 3 * 2 ** ((flags & 7) + 1) : at);

/** https://www.w3.org/Graphics/GIF/spec-gif89a.txt */
function endsAsGif(bytes: Buffer): boolean {
  const skipBlocks = (start: number): number => {
    let at = start;
    for (let size = bytes.readUInt8(at); size > 0; size = bytes.readUInt8(at)) at += size + 1;
    return at + 1;
  };
  let at = skipTable(bytes.readUInt8(10), 13);
  for (;;) {
    const mark = bytes.readUInt8(at);
    if (mark === 0x3b) return true; // trailer
    if (mark === 0x21)
      at = skipBlocks(at + 2); // extension
    else if (mark === 0x2c)
      at = skipBlocks(skipTable(bytes.readUInt8(at + 9), at + 10) + 1); // image
    else return false;
  }
}

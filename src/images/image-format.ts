/** Image formats that are accepted. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif';

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

/** A GIF consists of blocks up to a trailer, which browsers do not require. https://www.w3.org/Graphics/GIF/spec-gif89a.txt */
function isCompleteGif(bytes: Buffer): boolean {
  const skipBlocks = (start: number): number => {
    let at = start;
    for (let size = bytes.readUInt8(at); size > 0; size = bytes.readUInt8(at)) at += size + 1;
    return at + 1;
  };
  let at = skipColourTable(bytes.readUInt8(10), 13);
  for (;;) {
    if (at === bytes.length) return true; // all that is missing is the trailer
    const introducer = bytes.readUInt8(at);
    if (introducer === 0x3b) return true; // trailer
    if (introducer === 0x21)
      at = skipBlocks(at + 2); // extension
    else if (introducer === 0x2c)
      at = skipBlocks(skipColourTable(bytes.readUInt8(at + 9), at + 10) + 1); // image
    else return false;
  }
}

/**
 * Whether the scans of a JPEG contain all bits of the 64 coefficients of each component. A progressive JPEG that ends
 * between two scans is a coarse image without damage. https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.2
 */
export function hasAllScans(bytes: Uint8Array): boolean {
  const missing = new Map<number, number>();
  for (let at = bytes.indexOf(0xff, 2); at >= 0 && at + 3 < bytes.length; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[at + 1]!;
    const segment = bytes.subarray(at + 4, at + 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!));
    if (isStartOfFrame(marker)) for (let i = 6; i < segment.length; i += 3) missing.set(segment[i]!, 64);
    if (marker === 0xda) countScan(segment, missing);
    if (marker === 0xff)
      at += 1; // a fill byte
    else at += marker === 0 || (marker >= 0xd0 && marker <= 0xd7) ? 2 : 4 + segment.length; // data, or a segment
  }
  return missing.size > 0 && [...missing.values()].every((count) => count <= 0);
}

const isStartOfFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** Subtracts the coefficients of a scan that have no further bits in later scans. */
function countScan(segment: Uint8Array, missing: Map<number, number>): void {
  const components = segment[0] ?? 0;
  const [first = 0, last = 0, approximation = 0] = segment.subarray(1 + 2 * components);
  if ((approximation & 0x0f) !== 0) return;
  for (let i = 0; i < components; i++) {
    const id = segment[1 + 2 * i]!;
    missing.set(id, (missing.get(id) ?? 0) - (last - first + 1));
  }
}

/** Text frames, ready for the wire, one behind the other in one buffer. */
export interface Frames {
  bytes: Buffer;
  /** Where each frame ends. */
  ends: number[];
}

const TEXT = 0x81; // a whole message, of text
const SHORT = 126;
const MEDIUM = 0x10000;

const headerLength = (length: number): number => (length < SHORT ? 2 : length < MEDIUM ? 4 : 10);

/**
 * Puts texts into frames (RFC 6455, section 5.2). A server's frames are not masked, so the same bytes serve every
 * receiver, and what is sent to many is built once.
 */
export function toFrames(texts: string[]): Frames {
  const lengths = texts.map((text) => Buffer.byteLength(text));
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + headerLength(length) + length, 0));
  let at = 0;
  const ends = texts.map((text, i) => {
    at = writeHeader(bytes, at, lengths[i]!);
    at += bytes.write(text, at);
    return at;
  });
  return { bytes, ends };
}

function writeHeader(bytes: Buffer, at: number, length: number): number {
  bytes[at] = TEXT;
  if (length < SHORT) {
    bytes[at + 1] = length;
    return at + 2;
  }
  if (length < MEDIUM) {
    bytes[at + 1] = 126;
    return bytes.writeUInt16BE(length, at + 2);
  }
  bytes[at + 1] = 127;
  return bytes.writeBigUInt64BE(BigInt(length), at + 2);
}

/** The same frames with some of them replaced by others. */
export function replaced({ bytes, ends }: Frames, others: Map<number, string>): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const [i, text] of [...others].toSorted(([a], [b]) => a - b)) {
    parts.push(bytes.subarray(from, ends[i - 1] ?? 0), toFrames([text]).bytes);
    from = ends[i]!;
  }
  parts.push(bytes.subarray(from));
  return Buffer.concat(parts);
}

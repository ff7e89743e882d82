/** Encoded text frames in one buffer. */
export interface Frames {
  bytes: Buffer;
  /** The end offset of each frame. */
  ends: number[];
}

const TEXT = 0x81; // an unfragmented text message
const SHORT = 126;
const MEDIUM = 0x10000;

const headerLength = (length: number): number => (length < SHORT ? 2 : length < MEDIUM ? 4 : 10);

/**
 * Encodes texts as frames (RFC 6455, section 5.2). The frames of a server are not masked, so all receivers get the same
 * bytes, and a broadcast is encoded once.
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

/** Returns the frames with replacements at the given indexes. */
export function replaceFrames({ bytes, ends }: Frames, replacements: Map<number, string>): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const [i, text] of [...replacements].toSorted(([a], [b]) => a - b)) {
    parts.push(bytes.subarray(from, ends[i - 1] ?? 0), toFrames([text]).bytes);
    from = ends[i]!;
  }
  parts.push(bytes.subarray(from));
  return Buffer.concat(parts);
}

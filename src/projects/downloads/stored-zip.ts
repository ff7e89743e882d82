import type { Readable } from 'node:stream';

/** A file of an archive. Size and CRC-32 are known before its bytes are read. */
export interface ZipEntry {
  /** In ASCII. */
  name: string;
  size: number;
  crc32: number;
  open: () => Promise<Readable>;
}

// Sizes and checksums precede the data, so that programs that read an archive while it arrives can open it: several refuse
// stored entries whose size follows them, which is what the libraries for streamed archives write. The format is
// APPNOTE.TXT 6.3, without ZIP64: a chapter is smaller than 4 GiB.

const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const VERSION = 20;
/** 1 January 1980, the earliest date of the format: archives of the same pages are the same bytes. */
const DOS_DATE = 0x21;

/** The size of an archive in bytes. */
export const zipSize = (entries: ZipEntry[]): number =>
  entries.reduce((sum, { name, size }) => sum + LOCAL_BYTES + CENTRAL_BYTES + 2 * name.length + size, END_BYTES);

/** An archive of these files, stored without compression. Reads one file at a time, in pieces. */
export async function* zipOf(entries: ZipEntry[]): AsyncGenerator<Buffer> {
  let offset = 0;
  const directory: Buffer[] = [];
  for (const entry of entries) {
    const header = localHeader(entry);
    yield header;
    yield* bytesOf(entry);
    directory.push(centralHeader(entry, offset));
    offset += header.length + entry.size;
  }
  const central = Buffer.concat(directory);
  yield central;
  yield endRecord(entries.length, central.length, offset);
}

/** Throws when the file has another size than announced: what follows would be at the wrong place. */
async function* bytesOf({ name, size, open }: ZipEntry): AsyncGenerator<Buffer> {
  let received = 0;
  for await (const chunk of (await open()) as AsyncIterable<Buffer>) {
    received += chunk.length;
    yield chunk;
  }
  if (received !== size) throw new Error(`${name} does not have ${size} bytes`);
}

/** What local and central headers have in common, from the version to the length of the extra field. */
function writeCommon(header: Buffer, at: number, { name, size, crc32 }: ZipEntry): void {
  header.writeUInt16LE(VERSION, at);
  header.writeUInt16LE(DOS_DATE, at + 8);
  header.writeUInt32LE(crc32, at + 10);
  header.writeUInt32LE(size, at + 14);
  header.writeUInt32LE(size, at + 18);
  header.writeUInt16LE(name.length, at + 22);
}

function localHeader(entry: ZipEntry): Buffer {
  const header = Buffer.alloc(LOCAL_BYTES);
  header.writeUInt32LE(0x04034b50, 0);
  writeCommon(header, 4, entry);
  return Buffer.concat([header, Buffer.from(entry.name, 'latin1')]);
}

function centralHeader(entry: ZipEntry, offset: number): Buffer {
  const header = Buffer.alloc(CENTRAL_BYTES);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(VERSION, 4);
  writeCommon(header, 6, entry);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, Buffer.from(entry.name, 'latin1')]);
}

function endRecord(count: number, size: number, offset: number): Buffer {
  const record = Buffer.alloc(END_BYTES);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(count, 8);
  record.writeUInt16LE(count, 10);
  record.writeUInt32LE(size, 12);
  record.writeUInt32LE(offset, 16);
  return record;
}

import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import yauzl from 'yauzl';
import { Problem } from '../../../http/problems/problem.js';
import { readRange } from '../files/read-range.js';
import { exceedsRatio, type PageEntry, readIndex } from './archive-index.js';
import { entryProblem } from './entry-names.js';

const SIGNATURES = ['PK\x03\x04', 'PK\x05\x06'];

/** A page in an archive. */
export interface ArchivePage {
  name: string;
  /** As the archive declares it; `read` checks it. */
  size: number;
  /** The bytes. Throws when they are damaged, or not as many as declared. */
  read(): AsyncGenerator<Buffer>;
}

/**
 * Calls `use` with the pages of a zip archive, in its order. Pages are unpacked when they are read; what their headers say
 * has been checked. Throws `archive_expected`, `archive_empty`, and the problems of the archive and its entries.
 */
export async function withArchive<T>(file: FileHandle, use: (pages: ArchivePage[]) => Promise<T>): Promise<T> {
  await assertSignature(file);
  const zip = await asArchive(
    yauzl.fromFdPromise(file.fd, { autoClose: false, decodeStrings: false, validateEntrySizes: false }),
  );
  const entries = await asArchive(readIndex(zip));
  if (entries.length === 0) throw new Problem('archive_empty');
  return use(entries.map((entry) => ({ name: entry.name, size: entry.size, read: () => readEntry(file, entry) })));
}

async function assertSignature(file: FileHandle): Promise<void> {
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
  if (!SIGNATURES.includes(buffer.toString('latin1'))) throw new Problem('archive_expected');
}

/** Errors of yauzl have no codes: all say that the archive is not as the format demands. */
const asArchive = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    if (error instanceof Problem) throw error;
    if (/strong encryption/.test((error as Error).message)) throw entryProblem('archive_entry_encrypted', '');
    throw new Problem('archive_damaged', { cause: error });
  });

/** The bytes of an entry. They are counted, because the headers may lie. */
async function* readEntry(file: FileHandle, entry: PageEntry): AsyncGenerator<Buffer> {
  const { name, size, compressedSize } = entry;
  let received = 0;
  let checksum = 0;
  try {
    for await (const chunk of openEntry(file, entry)) {
      received += chunk.length;
      if (received > size) throw entryProblem('archive_entry_size', name);
      if (exceedsRatio(received, compressedSize)) throw entryProblem('archive_entry_ratio', name);
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
  } catch (error) {
    throw error instanceof Problem ? error : entryProblem('archive_entry_damaged', name, error);
  }
  if (received !== size) throw entryProblem('archive_entry_size', name);
  if (checksum !== entry.crc32) throw entryProblem('archive_entry_damaged', name);
}

/** Not by yauzl: its streams do not free their decompressor when they are left early. */
function openEntry(file: FileHandle, { dataStart, compressedSize, isDeflated }: PageEntry): AsyncIterable<Buffer> {
  const packed = readRange(file, dataStart, compressedSize);
  return isDeflated ? pipeline(packed, createInflateRaw(), () => undefined) : packed;
}

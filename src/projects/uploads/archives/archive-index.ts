import yauzl from 'yauzl';
import { Problem } from '../../../http/problems/problem.js';
import { UPLOAD_LIMITS } from '../limits.js';
import { nameKeyOf } from '../files/file-names.js';
import { type EntryProblemCode, entryProblem, isArchiveName, isNoPage, readEntryName } from './entry-names.js';

/** An entry of an archive that is a page as far as its headers tell. */
export interface PageEntry {
  name: string;
  size: number;
  compressedSize: number;
  isDeflated: boolean;
  crc32: number;
  /** Where its bytes start in the archive. */
  dataStart: number;
}

interface NamedEntry {
  name: string;
  isFolder: boolean;
  entry: yauzl.Entry;
}

const ENCRYPTED_FLAGS = 0x0001 | 0x0040 | 0x2000;
const FILE_TYPE_MASK = 0xf000;
/** A regular file, a folder, or unknown. */
const PLAIN_TYPES = [0x8000, 0x4000, 0];
const STORED = 0;
const DEFLATED = 8;
/** Signatures of what may follow the last entry of the central directory (APPNOTE 4.3.13 to 4.3.16). */
const AFTER_ENTRIES = [0x06054b50, 0x06064b50, 0x05054b50];

/**
 * Reads the headers of all entries and checks them before any entry is unpacked: names, types, declared sizes, and that no
 * two entries share bytes. Returns the pages, in the order of the archive. Throws `archive_damaged`,
 * `archive_too_many_entries`, `archive_too_large_unpacked`, `archive_overlap` and the problems of an entry.
 */
export async function readIndex(zip: yauzl.ZipFile): Promise<PageEntry[]> {
  if (zip.entryCount > UPLOAD_LIMITS.files) throw new Problem('archive_too_many_entries');
  const start = cursorOf(zip);
  const entries: NamedEntry[] = [];
  for await (const entry of zip.eachEntry()) entries.push(checkEntry(entry));
  await assertEndOfEntries(zip);
  assertDifferentNames(entries);
  assertTotal(entries);
  const located = await locateEntries(zip, entries, start);
  return located.filter(({ isFolder, name }) => !isFolder && !isNoPage(name)).map(toPageEntry);
}

function checkEntry(entry: yauzl.Entry): NamedEntry {
  const raw = yauzl.getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, true);
  const name = readEntryName(raw);
  const code = findProblem(entry, name);
  if (code) throw entryProblem(code, name);
  return { name, isFolder: raw.endsWith('/'), entry };
}

function findProblem(entry: yauzl.Entry, name: string): EntryProblemCode | undefined {
  const { compressedSize, compressionMethod, externalFileAttributes, generalPurposeBitFlag, uncompressedSize } = entry;
  if (generalPurposeBitFlag & ENCRYPTED_FLAGS) return 'archive_entry_encrypted';
  if (!PLAIN_TYPES.includes((externalFileAttributes >>> 16) & FILE_TYPE_MASK)) return 'archive_entry_link';
  if (![STORED, DEFLATED].includes(compressionMethod)) return 'archive_entry_method';
  if (uncompressedSize > UPLOAD_LIMITS.fileBytes) return 'archive_entry_too_large';
  if (exceedsRatio(uncompressedSize, compressedSize)) return 'archive_entry_ratio';
  if (compressionMethod === STORED && compressedSize !== uncompressedSize) return 'archive_entry_size';
  return isArchiveName(name) ? 'archive_entry_nested' : undefined;
}

/** Whether a file is compressed more than any picture is. */
export const exceedsRatio = (size: number, compressedSize: number): boolean =>
  size > UPLOAD_LIMITS.ratioFromBytes && size > UPLOAD_LIMITS.ratio * compressedSize;

function assertDifferentNames(entries: NamedEntry[]): void {
  const keys = new Set<string>();
  for (const { name } of entries) {
    const key = nameKeyOf(name);
    if (keys.has(key)) throw entryProblem('archive_entry_duplicate', name);
    keys.add(key);
  }
}

function assertTotal(entries: NamedEntry[]): void {
  const total = entries.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
  if (total > UPLOAD_LIMITS.bytes) throw new Problem('archive_too_large_unpacked');
}

/** Entries that the end record does not count would be seen by other programs and not by us. */
async function assertEndOfEntries(zip: yauzl.ZipFile): Promise<void> {
  const signature = await readBytes(zip, cursorOf(zip), 4);
  if (!AFTER_ENTRIES.includes(signature.readUInt32LE())) throw new Problem('archive_damaged');
}

interface LocatedEntry extends NamedEntry {
  dataStart: number;
  header: yauzl.LocalFileHeader;
}

/** Adds where the bytes of each entry start. */
async function locateEntries(
  zip: yauzl.ZipFile,
  entries: NamedEntry[],
  directoryStart: number,
): Promise<LocatedEntry[]> {
  const located: LocatedEntry[] = [];
  for (const each of entries) {
    const header = await zip.readLocalFileHeaderPromise(each.entry);
    located.push({ ...each, header, dataStart: header.fileDataStart });
  }
  assertDisjoint(located, directoryStart);
  for (const { name, entry, header } of located) {
    // Programs that read the local headers would see another file.
    if (!header.fileName.equals(entry.fileNameRaw)) throw new Problem('archive_damaged');
    if (header.generalPurposeBitFlag & ENCRYPTED_FLAGS) throw entryProblem('archive_entry_encrypted', name);
  }
  return located;
}

/** Entries lie one after the other, before the central directory. */
function assertDisjoint(entries: LocatedEntry[], directoryStart: number): void {
  let end = 0;
  for (const { entry, dataStart } of entries.toSorted(byOffset)) {
    if (entry.relativeOffsetOfLocalHeader < end) throw new Problem('archive_overlap');
    end = dataStart + entry.compressedSize;
  }
  if (end > directoryStart) throw new Problem('archive_overlap');
}

const byOffset = (a: NamedEntry, b: NamedEntry): number =>
  a.entry.relativeOffsetOfLocalHeader - b.entry.relativeOffsetOfLocalHeader;

const toPageEntry = ({ name, entry, dataStart }: LocatedEntry): PageEntry => ({
  name,
  size: entry.uncompressedSize,
  compressedSize: entry.compressedSize,
  isDeflated: entry.compressionMethod === DEFLATED,
  crc32: entry.crc32,
  dataStart,
});

/** Where the next entry of the central directory is read. The types of yauzl say `boolean`. */
const cursorOf = (zip: yauzl.ZipFile): number => zip.readEntryCursor as unknown as number;

function readBytes(zip: yauzl.ZipFile, position: number, length: number): Promise<Buffer> {
  const { reader } = zip as yauzl.ZipFile & { reader: yauzl.RandomAccessReader };
  const bytes = Buffer.alloc(length);
  return new Promise((resolve, reject) => {
    reader.read(bytes, 0, length, position, (error) => (error ? reject(error) : resolve(bytes)));
  });
}

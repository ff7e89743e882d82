import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { LocalFile } from '../common/local-file.js';
import { type ObjectHeader, writeObjectFile } from '../common/object-file.js';
import {
  assertKey,
  type ByteRange,
  checkSize,
  clampRange,
  countBytes,
  mapStorageError,
  type NewObject,
  type ObjectInfo,
  type ObjectMetadata,
  type Source,
  Storage,
  type StoredObject,
  type StreamMetadata,
  type WrittenFile,
} from './storage.js';

/** Puts write here and rename at the end. No key starts with a dot. */
const UNFINISHED_FOLDER = '.unfinished';
/** Read when a file is opened: its header line, and the whole of a small object. */
const FIRST_READ_BYTES = 64 * 1024;
const NOT_FOUND = new Set(['ENOENT', 'ENOTDIR', 'EISDIR']);

/** The header of a file: one line of JSON. */
interface FileHeader extends ObjectInfo {
  /** Where the object's bytes start in the file. */
  offset: number;
  /** The first bytes of the file. */
  first: Buffer;
}

/**
 * Stores objects in a folder, usually a mounted volume. A file holds one line of JSON (type, cache policy) and then the
 * object's bytes, so that one rename replaces both. Neither keys nor symbolic links lead out of the folder.
 */
export class LocalStorage extends Storage {
  private root: Promise<string> | undefined;

  constructor(private readonly folder: string) {
    super();
  }

  put(key: string, source: Source, metadata: ObjectMetadata): Promise<void> {
    return this.putAll([{ key, source, metadata }]);
  }

  /** Syncs each file, and each folder once. */
  override putAll(objects: NewObject[]): Promise<void> {
    return this.write(
      objects.map(({ key, source, metadata }) => newFile(key, checkSize(metadata.size, source), metadata)),
    );
  }

  async putStream(key: string, source: Readable, metadata: StreamMetadata): Promise<number> {
    let size = 0;
    const counted = countBytes(source, (bytes) => (size += bytes));
    await this.write([newFile(key, counted, metadata)]);
    return size;
  }

  override async findWorkFolder(): Promise<string> {
    this.root = undefined; // the folder may have been removed
    return join(await this.open(), UNFINISHED_FOLDER);
  }

  override moveAll(files: WrittenFile[]): Promise<void> {
    return this.write(files.map(({ key, path }) => ({ key, name: basename(path), complete: sync })));
  }

  private async write(files: UnfinishedFile[]): Promise<void> {
    files.forEach(({ key }) => assertKey(key));
    try {
      const root = await this.open();
      await putFiles(root, files).catch(async (error: unknown) => {
        for (const { name } of files) await rm(join(root, UNFINISHED_FOLDER, name), { force: true });
        throw error;
      });
    } catch (error) {
      this.root = undefined; // the folder may have been removed or replaced
      throw mapStorageError(error);
    }
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject | null> {
    return this.read(key, async (file, { offset, first, ...info }) => {
      const { start, end } = range ? clampRange(range, info.size) : { start: 0, end: info.size - 1 };
      const [from, to] = [offset + start, offset + end + 1];
      if (to <= first.length) {
        await file.close();
        return { ...info, body: Readable.from([first.subarray(from, to)], { objectMode: false }) };
      }
      return { ...info, body: file.createReadStream({ start: from, end: to - 1 }) }; // closes the file at its end
    });
  }

  async head(key: string): Promise<ObjectInfo | null> {
    return this.read(key, async (file, { size, type, cache_control, modified_at }) => {
      await file.close();
      return { size, type, cache_control, modified_at };
    });
  }

  override async findFile(key: string): Promise<LocalFile | null> {
    return this.read(key, async (file, { offset }) => {
      await file.close();
      return { path: join(await this.open(), key), offset };
    });
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    try {
      const path = await this.findPath(key);
      if (path) await rm(path, { force: true });
    } catch (error) {
      throw mapStorageError(error);
    }
  }

  async *list(folder: string): AsyncGenerator<{ key: string; modified_at: Date }> {
    try {
      const root = await this.open();
      for await (const key of walk(root, folder)) {
        const found = await stat(join(root, key)).catch(ignoring(NOT_FOUND)); // may be deleted meanwhile
        if (found) yield { key, modified_at: found.mtime };
      }
    } catch (error) {
      throw mapStorageError(error);
    }
  }

  /** Unfinished files do not tell their folder; all are in one that only this driver uses. */
  override async deleteUnfinished(_folder: string, before: Date): Promise<void> {
    try {
      const unfinished = join(await this.open(), UNFINISHED_FOLDER);
      for (const name of await readdir(unfinished)) {
        const found = await stat(join(unfinished, name)).catch(ignoring(NOT_FOUND));
        if (found && found.mtime < before) await rm(join(unfinished, name), { force: true });
      }
    } catch (error) {
      throw mapStorageError(error);
    }
  }

  /**
   * Creates the folder if needed and returns its real path. The folder itself may be a symbolic link. Throws
   * `storage_unavailable`.
   */
  private open(): Promise<string> {
    this.root ??= mkdir(join(this.folder, UNFINISHED_FOLDER), { recursive: true })
      .then(() => realpath(this.folder))
      .catch((error: unknown) => {
        this.root = undefined;
        throw mapStorageError(error);
      });
    return this.root;
  }

  /** The path of an object; null when its folder does not exist. Throws when a symbolic link leads elsewhere. */
  private async findPath(key: string): Promise<string | null> {
    const path = join(await this.open(), key);
    const parent = await realpath(dirname(path)).catch(ignoring(NOT_FOUND));
    if (!parent) return null;
    if (parent !== dirname(path)) throw new Error('the path has a symbolic link');
    return path;
  }

  private async read<T>(key: string, use: (file: FileHandle, header: FileHeader) => Promise<T>): Promise<T | null> {
    assertKey(key);
    let file: FileHandle | undefined;
    try {
      const path = await this.findPath(key);
      file = path ? await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(ignoring(NOT_FOUND)) : undefined;
      return file ? await use(file, await readHeader(key, file)) : null;
    } catch (error) {
      await file?.close().catch(() => undefined);
      throw mapStorageError(error);
    }
  }
}

/** A file with its name among the unfinished ones, and what completes it. */
interface UnfinishedFile {
  key: string;
  name: string;
  complete: (path: string) => Promise<void>;
}

/** A file to write. The size of the source has been checked, or need not be. */
const newFile = (key: string, source: AsyncIterable<Buffer>, metadata: StreamMetadata): UnfinishedFile => ({
  key,
  name: randomUUID(),
  complete: (path) => writeObjectFile(path, source, metadata, (file) => file.sync()),
});

/** Completes files and moves them to their folders. When it fails, none is being written any more. */
async function putFiles(root: string, files: UnfinishedFile[]): Promise<void> {
  const folders = new Map<string, string>();
  for (const { key } of files) {
    const name = dirname(key);
    if (!folders.has(name)) folders.set(name, await createFolder(root, name));
  }
  const puts = files.map(async ({ key, name, complete }) => {
    const unfinished = join(root, UNFINISHED_FOLDER, name);
    await complete(unfinished);
    await rename(unfinished, join(folders.get(dirname(key))!, basename(key)));
  });
  const failed = (await Promise.allSettled(puts)).find((put) => put.status === 'rejected');
  if (failed) throw failed.reason;
  await Promise.all([...folders.values()].map((folder) => sync(folder, constants.O_DIRECTORY)));
}

/** Throws for a file that is damaged, for example cut off: no part of an object is taken for the whole. */
async function readHeader(key: string, file: FileHandle): Promise<FileHeader> {
  const { size, mtime: modified_at } = await file.stat();
  const buffer = Buffer.allocUnsafe(Math.min(size, FIRST_READ_BYTES));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  const first = buffer.subarray(0, bytesRead);
  const offset = first.indexOf('\n') + 1;
  const header = parseHeader(key, first.toString('utf8', 0, offset));
  const found = size - offset;
  const isWhole = header.size === undefined || header.size === found;
  if (!isWhole) throw damaged(key, `it has ${found} of ${header.size} bytes`);
  return { ...header, modified_at, size: found, offset, first };
}

function parseHeader(key: string, line: string): ObjectHeader {
  try {
    return JSON.parse(line) as ObjectHeader;
  } catch {
    throw damaged(key, 'it has no header');
  }
}

const damaged = (key: string, reason: string): Error => new Error(`the stored file ${key} is damaged: ${reason}`);

/**
 * Creates a folder and its parents. One at a time, so that no symbolic link is followed; each is synced to disk.
 */
async function createFolder(root: string, folder: string): Promise<string> {
  const existing = join(root, folder);
  if ((await realpath(existing).catch(ignoring(NOT_FOUND))) === existing) return existing;
  let path = root;
  for (const segment of folder === '.' ? [] : folder.split('/')) {
    const parent = path;
    path = join(parent, segment);
    const isNew = await mkdir(path).then(() => true, ignoring(new Set(['EEXIST'])));
    if (isNew) await sync(parent, constants.O_DIRECTORY);
    if ((await realpath(path)) !== path) throw new Error('the path has a symbolic link');
  }
  return path;
}

/** Whoever has written to the file or the folder. A rename survives a power failure only after the folder has been synced. */
async function sync(path: string, flags = 0): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Keys of all files below a folder. */
async function* walk(root: string, folder: string): AsyncGenerator<string> {
  const entries = await opendir(join(root, folder)).catch(ignoring(NOT_FOUND));
  if (!entries) return;
  for await (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* walk(root, `${folder}${entry.name}/`);
    else if (entry.isFile()) yield folder + entry.name;
  }
}

/** For `catch`: maps errors with these codes to undefined. */
const ignoring =
  (codes: Set<string>) =>
  (error: NodeJS.ErrnoException): undefined => {
    if (!codes.has(error.code ?? '')) throw error;
  };

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  opendir,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import {
  type About,
  assertKey,
  type ByteRange,
  exactly,
  type ObjectInfo,
  type Source,
  Storage,
  storeFailed,
  type StoredObject,
  within,
} from './storage.js';

/** Where puts write until they are whole; no key starts with a dot. */
const UNFINISHED = '.unfinished';
/** Read at once when a file is opened: its heading, and all of a small object. */
const FIRST_READ = 64 * 1024;
const NONE = new Set(['ENOENT', 'ENOTDIR', 'EISDIR']);

interface Heading extends ObjectInfo {
  /** Where the object's bytes start in its file. */
  offset: number;
  /** What has been read of the file so far. */
  first: Buffer;
}

/**
 * A folder that a volume is mounted on. A file holds one line of JSON (type, cache policy) and then the object's bytes, so
 * that both are replaced by one rename. Neither a key nor a symbolic link leads out of the folder.
 */
export class LocalStorage extends Storage {
  private root: Promise<string> | undefined;

  constructor(private readonly folder: string) {
    super();
  }

  async put(key: string, source: Source, about: About): Promise<void> {
    assertKey(key);
    try {
      const root = await this.open();
      const target = join(await makeFolder(root, dirname(key)), key.slice(key.lastIndexOf('/') + 1));
      const unfinished = join(root, UNFINISHED, randomUUID());
      try {
        await write(unfinished, source, about);
        await rename(unfinished, target);
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
      await sync(dirname(target));
    } catch (error) {
      this.root = undefined; // it may have been taken away, or replaced
      throw storeFailed(error);
    }
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject | null> {
    return this.read(key, async (file, { offset, first, ...info }) => {
      const { start, end } = range ? within(range, info.size) : { start: 0, end: info.size - 1 };
      const [from, to] = [offset + start, offset + end + 1];
      if (to <= first.length) {
        await file.close();
        return { ...info, body: Readable.from([first.subarray(from, to)], { objectMode: false }) };
      }
      return { ...info, body: file.createReadStream({ start: from, end: to - 1 }) }; // closes the file with itself
    });
  }

  async head(key: string): Promise<ObjectInfo | null> {
    return this.read(key, async (file, { size, type, cache_control, modified_at }) => {
      await file.close();
      return { size, type, cache_control, modified_at };
    });
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    try {
      const path = await this.find(key);
      if (path) await rm(path, { force: true });
    } catch (error) {
      throw storeFailed(error);
    }
  }

  async *list(folder: string): AsyncGenerator<{ key: string; modified_at: Date }> {
    try {
      const root = await this.open();
      for await (const key of walk(root, folder)) {
        const found = await stat(join(root, key)).catch(ignoring(NONE)); // deleted meanwhile
        if (found) yield { key, modified_at: found.mtime };
      }
    } catch (error) {
      throw storeFailed(error);
    }
  }

  override async tidy(before: Date): Promise<void> {
    const folder = join(await this.open(), UNFINISHED);
    for (const name of await readdir(folder)) {
      const found = await stat(join(folder, name)).catch(ignoring(NONE));
      if (found && found.mtime < before) await rm(join(folder, name), { force: true });
    }
  }

  /** The folder itself may be a symbolic link: that is the operator's choice. */
  private open(): Promise<string> {
    this.root ??= mkdir(join(this.folder, UNFINISHED), { recursive: true }).then(() => realpath(this.folder));
    this.root.catch(() => (this.root = undefined));
    return this.root;
  }

  /** The path of an object whose folder is where it should be; null when there is no such folder. */
  private async find(key: string): Promise<string | null> {
    const path = join(await this.open(), key);
    const parent = await realpath(dirname(path)).catch(ignoring(NONE));
    if (!parent) return null;
    if (parent !== dirname(path)) throw new Error('a symbolic link is in the way');
    return path;
  }

  private async read<T>(key: string, use: (file: FileHandle, heading: Heading) => Promise<T>): Promise<T | null> {
    assertKey(key);
    let file: FileHandle | undefined;
    try {
      const path = await this.find(key);
      file = path ? await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(ignoring(NONE)) : undefined;
      return file ? await use(file, await readHeading(file)) : null;
    } catch (error) {
      await file?.close().catch(() => undefined);
      throw storeFailed(error);
    }
  }
}

async function write(path: string, source: Source, { size, ...heading }: About): Promise<void> {
  const file = await open(path, 'wx', 0o640);
  try {
    await file.write(`${JSON.stringify(heading)}\n`);
    await writeFile(file, exactly(size, source));
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readHeading(file: FileHandle): Promise<Heading> {
  const { size, mtime: modified_at } = await file.stat();
  const buffer = Buffer.allocUnsafe(Math.min(size, FIRST_READ));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  const first = buffer.subarray(0, bytesRead);
  const offset = first.indexOf('\n') + 1;
  const { type, cache_control } = JSON.parse(first.toString('utf8', 0, offset)) as ObjectInfo;
  return { type, cache_control, modified_at, size: size - offset, offset, first };
}

/** One by one, so that no link on the way is followed to make a folder somewhere else; each is there after a crash. */
async function makeFolder(root: string, folder: string): Promise<string> {
  let path = root;
  for (const segment of folder === '.' ? [] : folder.split('/')) {
    const parent = path;
    path = join(parent, segment);
    const isNew = await mkdir(path).then(() => true, ignoring(new Set(['EEXIST'])));
    if (isNew) await sync(parent);
    if ((await realpath(path)) !== path) throw new Error('a symbolic link is in the way');
  }
  return path;
}

/** A rename is kept through a power cut once its folder is on the disk, too. */
async function sync(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* walk(root: string, folder: string): AsyncGenerator<string> {
  const entries = await opendir(join(root, folder)).catch(ignoring(NONE));
  if (!entries) return;
  for await (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* walk(root, `${folder}${entry.name}/`);
    else if (entry.isFile()) yield folder + entry.name;
  }
}

const ignoring =
  (codes: Set<string>) =>
  (error: NodeJS.ErrnoException): undefined => {
    if (!codes.has(error.code ?? '')) throw error;
  };

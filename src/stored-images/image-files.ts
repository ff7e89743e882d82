import { LRUCache } from 'lru-cache';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { LargeFile } from '../http/representation.js';
import { Problem } from '../http/problems/problem.js';
import type { ProblemCode } from '../http/problems/problem-catalogue.js';
import {
  PAGE_VARIANTS,
  type ImageFile,
  type ImageTarget,
  type PageVariant,
  type ProcessedPage,
  typeOf,
} from '../images/image-jobs.js';
import { type ByteRange, mapStorageError, type Storage } from '../storage/storage.js';
import { findTarget, storeFiles } from './store-files.js';

/** Objects are sent by Machi, which decides who sees them. A redirect to the store lets no cache keep them. */
const CACHE_CONTROL = 'private, no-store';

const CACHE_BYTES = 64 * 1024 * 1024;
/** Larger files are sent in pieces, so that a few readers with slow connections do not fill the memory. */
const MAX_CACHED_BYTES = 1024 * 1024;

/** The id of the row that a key belongs to; undefined for keys of another form. */
export const imageIdOf = (key: string): string | undefined => /([0-9a-f-]{36})-[a-z_]+$/.exec(key)?.[1];

/** The size of each file in bytes. */
export const sizesOf = (files: Record<PageVariant, { size: number }>): Record<PageVariant, number> =>
  Object.fromEntries(PAGE_VARIANTS.map((variant) => [variant, files[variant].size])) as Record<PageVariant, number>;

interface Options {
  /** Where the files are stored, such as `pages/`. */
  folder: string;
  /** The problem with a file that does not exist. */
  notFound: ProblemCode;
}

/** Stored images in their variants, one file per variant. Keeps those that were read last in memory, except for large ones. */
export class ImageFiles {
  private readonly cache = new LRUCache<string, Buffer>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ length }) => length,
    fetchMethod: (key) => this.readAll(key),
  });

  constructor(
    private readonly storage: Storage,
    private readonly options: Options,
  ) {}

  /** Where image workers write the files of an image for `create`; null where the storage takes their bytes only. */
  findTarget(): Promise<ImageTarget | null> {
    return findTarget(this.storage, CACHE_CONTROL);
  }

  /** Stores all files or none. A crash in between leaves files that the worker deletes. Throws `storage_unavailable`. */
  async create(id: string, image: Pick<ProcessedPage<ImageFile>, 'format' | 'files'>): Promise<void> {
    const files = PAGE_VARIANTS.map((variant) => ({
      ...image.files[variant],
      key: this.keyOf(id, variant),
      type: typeOf(variant, image.format),
      cache_control: CACHE_CONTROL,
    }));
    try {
      await storeFiles(this.storage, files);
    } catch (error) {
      await this.discard(id);
      throw error;
    }
  }

  /** A file of this size. Throws the problem of a missing file, `storage_unavailable`. */
  async read(id: string, variant: PageVariant, size: number): Promise<Buffer | LargeFile> {
    const key = this.keyOf(id, variant);
    if (size > MAX_CACHED_BYTES) return { size, open: (range) => this.open(key, range) };
    const bytes = await this.cache.fetch(key);
    if (!bytes) throw new Problem(this.options.notFound);
    if (bytes.length === size) return bytes;
    this.cache.delete(key); // such as an error that the store has sent as the object
    throw mapStorageError(new Error(`the stored file ${key} has ${bytes.length} instead of ${size} bytes`));
  }

  /** The bytes of a file, without the memory of files. Throws the problem of a missing file, `storage_unavailable`. */
  openWhole(id: string, variant: PageVariant): Promise<Readable> {
    return this.open(this.keyOf(id, variant));
  }

  /** As `openWhole`; null when the file does not exist. Throws `storage_unavailable`. */
  async findWhole(id: string, variant: PageVariant): Promise<Readable | null> {
    return (await this.storage.get(this.keyOf(id, variant)))?.body ?? null;
  }

  /** An address of the store that is valid for some seconds; null if the storage has none. */
  findSignedUrl(id: string, variant: PageVariant, seconds: number): Promise<string | null> {
    return this.storage.findSignedUrl(this.keyOf(id, variant), seconds);
  }

  /** Deletes all files. Throws `storage_unavailable`. */
  async remove(id: string): Promise<void> {
    for (const variant of PAGE_VARIANTS) await this.storage.delete(this.keyOf(id, variant));
  }

  /** Deletes files that got no row. Does not fail: what remains is deleted by the worker. */
  async discard(id: string): Promise<void> {
    await this.remove(id).catch(() => undefined);
  }

  /** The key of a file in the storage. 256 folders, by the random end of the id, keep each folder small. */
  private keyOf(id: string, variant: PageVariant): string {
    return `${this.options.folder}${id.slice(-2)}/${id}-${variant}`;
  }

  private async open(key: string, range?: ByteRange): Promise<Readable> {
    const object = await this.storage.get(key, range);
    if (!object) throw new Problem(this.options.notFound);
    return object.body;
  }

  private async readAll(key: string): Promise<Buffer | undefined> {
    try {
      const object = await this.storage.get(key);
      return object ? await buffer(object.body) : undefined;
    } catch (error) {
      throw mapStorageError(error);
    }
  }
}

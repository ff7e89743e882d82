import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { buffer } from 'node:stream/consumers';
import { type ImageFile, type ImageTarget, type Size, SIZES } from '../images/image-jobs.js';
import { findTarget, storeFiles } from '../stored-images/store-files.js';
import { mapStorageError, Storage } from '../storage/storage.js';

/** The address of an avatar never shows another image, so copies never expire. */
export const IMMUTABLE = 'public, max-age=31536000, immutable';

export const AVATARS_FOLDER = 'avatars/';
const TYPE = 'image/webp';
const CACHE_BYTES = 64 * 1024 * 1024;

/** The key of a file in the storage. 256 folders, by the random end of the id, keep each folder small. */
const keyOf = (id: string, size: Size): string => `${AVATARS_FOLDER}${id.slice(-2)}/${id}-${size}.webp`;

/** The id of the avatar that a key belongs to; undefined for keys of another form. */
export const avatarIdOf = (key: string): string | undefined => /([0-9a-f-]{36})-\d+\.webp$/.exec(key)?.[1];

/** The image files of avatars: one WebP per size. Keeps those that were read last in memory. */
@Injectable()
export class AvatarFilesService {
  private readonly cache = new LRUCache<string, Buffer>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ length }) => length,
    fetchMethod: (key) => this.read(key),
  });

  constructor(private readonly storage: Storage) {}

  /** Where image workers write the files for `create`; null where the storage takes their bytes only. */
  findTarget(): Promise<ImageTarget | null> {
    return findTarget(this.storage, IMMUTABLE);
  }

  /** Stores all sizes or none. A crash in between leaves files that the worker deletes. Throws `storage_unavailable`. */
  async create(id: string, files: Record<Size, ImageFile>): Promise<void> {
    const metadata = { type: TYPE, cache_control: IMMUTABLE };
    try {
      await storeFiles(
        this.storage,
        SIZES.map((size) => ({ ...files[size], ...metadata, key: keyOf(id, size) })),
      );
    } catch (error) {
      await this.discard(id);
      throw error;
    }
  }

  /** The bytes of one size; undefined when there is no such file. Throws `storage_unavailable`. */
  find(id: string, size: Size): Promise<Buffer | undefined> {
    return this.cache.fetch(keyOf(id, size));
  }

  /** Deletes all sizes. Throws `storage_unavailable`. */
  async remove(id: string): Promise<void> {
    for (const size of SIZES) await this.storage.delete(keyOf(id, size));
  }

  /** Deletes files that got no row. Does not fail: what remains is deleted by the worker. */
  async discard(id: string): Promise<void> {
    await this.remove(id).catch(() => undefined);
  }

  private async read(key: string): Promise<Buffer | undefined> {
    try {
      const object = await this.storage.get(key);
      if (!object) return undefined;
      if (object.type === TYPE) return await buffer(object.body);
      object.body.destroy(); // an error that the store has sent as the object
      throw new Error(`the stored file ${key} is of the type ${object.type}`);
    } catch (error) {
      throw mapStorageError(error);
    }
  }
}

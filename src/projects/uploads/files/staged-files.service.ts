import { Injectable } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Problem } from '../../../http/problems/problem.js';
import type { ImageSource } from '../../../images/image-jobs.js';
import { mapStorageError, Storage } from '../../../storage/storage.js';

const UPLOADS_FOLDER = 'uploads/';

/** The key of a file in the storage. 256 folders, by the random end of the id, keep each folder small. */
const keyOf = (id: string): string => `${UPLOADS_FOLDER}${id.slice(-2)}/${id}`;

/** The id of the file that a key belongs to; undefined for keys of another form. */
const fileIdOf = (key: string): string | undefined => /\/([0-9a-f-]{36})$/.exec(key)?.[1];

/** The bytes of uploaded files in the storage, until they have become pages. */
@Injectable()
export class StagedFilesService {
  constructor(private readonly storage: Storage) {}

  /** Stores a file of exactly `size` bytes. Throws `storage_unavailable`, and the problem that reading `source` throws. */
  put(id: string, source: Readable, size: number): Promise<void> {
    const metadata = { size, type: 'application/octet-stream', cache_control: 'private, no-store' };
    return this.storage.put(keyOf(id), source, metadata);
  }

  /** The bytes of a file, or where an image worker reads them. Throws `upload_file_not_found`, `storage_unavailable`. */
  async getSource(id: string): Promise<ImageSource> {
    try {
      const file = await this.storage.findFile(keyOf(id));
      if (file) return file;
      const object = await this.storage.get(keyOf(id));
      if (!object) throw new Problem('upload_file_not_found');
      return [await buffer(object.body)];
    } catch (error) {
      throw mapStorageError(error);
    }
  }

  /** The bytes of a file as a stream; null when there is no such file. Throws `storage_unavailable`. */
  async open(id: string): Promise<Readable | null> {
    const object = await this.storage.get(keyOf(id));
    return object && object.body;
  }

  /** Deletes files. Throws `storage_unavailable`. */
  async remove(ids: string[]): Promise<void> {
    for (const id of ids) await this.storage.delete(keyOf(id));
  }

  /** Deletes files that got no row. Does not fail: what remains is deleted by the worker. */
  async discard(ids: string[]): Promise<void> {
    await this.remove(ids).catch(() => undefined);
  }

  /** The ids of the files that were stored before this time. */
  async *listOlder(before: Date): AsyncGenerator<string> {
    for await (const { key, modified_at } of this.storage.list(UPLOADS_FOLDER)) {
      const id = fileIdOf(key);
      if (id !== undefined && modified_at < before) yield id;
    }
  }
}

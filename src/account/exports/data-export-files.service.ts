import { Injectable } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { Problem } from '../../http/problems/problem.js';
import { type ByteRange, Storage } from '../../storage/storage.js';

export const EXPORTS_FOLDER = 'exports/';

const keyOf = (id: string): string => `${EXPORTS_FOLDER}${id}.zip`;

/** The id of the file that a key belongs to; undefined for keys of another form. */
export const exportFileIdOf = (key: string): string | undefined => /\/([0-9a-f-]{36})\.zip$/.exec(key)?.[1];

/** The files of exports in the storage. */
@Injectable()
export class DataExportFilesService {
  constructor(private readonly storage: Storage) {}

  /** Stores an archive while it is written. Returns its size in bytes. Throws what reading it throws, `storage_unavailable`. */
  put(id: string, archive: Readable): Promise<number> {
    return this.storage.putStream(keyOf(id), archive, { type: 'application/zip', cache_control: 'private, no-store' });
  }

  /** Throws `data_export_not_found`, `storage_unavailable`. */
  async open(id: string, range: ByteRange): Promise<Readable> {
    const object = await this.storage.get(keyOf(id), range);
    if (!object) throw new Problem('data_export_not_found');
    return object.body;
  }

  /** Throws `storage_unavailable`. */
  remove(id: string): Promise<void> {
    return this.storage.delete(keyOf(id));
  }

  /** Deletes the file of a run that has lost its claim. Does not fail: what remains is deleted by the worker. */
  async discard(id: string): Promise<void> {
    await this.remove(id).catch(() => undefined);
  }
}

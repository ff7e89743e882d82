import { Injectable } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Config } from '../../../config/config.js';
import { unavailable } from '../../../http/problems/problem.js';

/** Files on the disk of this node for bodies that arrive, so that none is held in memory. */
@Injectable()
export class IncomingFilesService {
  private readonly folder: string;

  constructor({ DATA_DIR }: Config) {
    this.folder = join(DATA_DIR, 'incoming');
  }

  /**
   * Calls `use` with a new, empty file. The file has no name any more by then: it is gone when it is closed, and also when
   * the process is killed. Throws `storage_unavailable`.
   */
  async use<T>(use: (file: FileHandle) => Promise<T>): Promise<T> {
    const file = await this.create();
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  }

  private async create(): Promise<FileHandle> {
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const path = join(this.folder, randomUUID());
      const file = await open(path, 'wx+', 0o600);
      await rm(path);
      return file;
    } catch (error) {
      throw unavailable('storage_unavailable', error);
    }
  }
}

/** Writes a chunk at the end of what was written before. Throws `storage_unavailable`, for example when the disk is full. */
export async function append(file: FileHandle, chunk: Buffer): Promise<void> {
  try {
    await file.appendFile(chunk);
  } catch (error) {
    throw unavailable('storage_unavailable', error);
  }
}

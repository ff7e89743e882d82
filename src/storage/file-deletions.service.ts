import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { ADVISORY_LOCKS } from '../database/advisory-locks.js';

const TRY_LOCK = 'select pg_try_advisory_xact_lock_shared($1) as is_free';

/** The database ends a transaction in which nothing is sent for 60 s, and the last files of a batch may take long. */
const BATCH_MS = 20_000;
/** Ids whose files are deleted at the same time. */
const AT_ONCE = 8;

export interface FileDeletion {
  /** Deletes the files of an id. */
  remove: (id: string) => Promise<void>;
  /** Deletes what lists the files of these ids, for files that are listed. */
  forget?: (manager: EntityManager, ids: string[]) => Promise<unknown>;
  /** Whether the application stops. */
  isStopping: () => boolean;
}

/** Deletes stored files, but not while a backup runs: it copies the rows first and their files afterwards. */
@Injectable()
export class FileDeletionsService {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /**
   * Deletes files, and then what lists them, in transactions of some 20 seconds: whoever adds an entry waits for one. Ends early
   * while a backup runs and when the application stops. Returns whether all files are deleted. Throws what `remove` throws, after
   * forgetting what was deleted before.
   */
  async deleteFiles(ids: string[], deletion: FileDeletion): Promise<boolean> {
    if (ids.length === 0) return true;
    const count = await this.deleteBatch(ids, deletion);
    return count > 0 && this.deleteFiles(ids.slice(count), deletion);
  }

  /** Returns of how many ids the files are deleted, the first ones. */
  private async deleteBatch(ids: string[], { remove, forget, isStopping }: FileDeletion): Promise<number> {
    let count = 0;
    let failure: { error: unknown } | undefined;
    await this.dataSource.transaction(async (manager) => {
      const [lock] = await manager.query<{ is_free: boolean }[]>(TRY_LOCK, [ADVISORY_LOCKS.fileDeletions]);
      if (!lock!.is_free) return;
      const end = performance.now() + BATCH_MS;
      try {
        while (count < ids.length && performance.now() < end && !isStopping()) {
          const some = ids.slice(count, count + AT_ONCE);
          await Promise.all(some.map(remove));
          count += some.length;
        }
      } catch (error) {
        failure = { error };
      }
      if (count > 0) await forget?.(manager, ids.slice(0, count));
    });
    if (failure) throw failure.error;
    return count;
  }
}

import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { ADVISORY_LOCKS } from '../database/advisory-locks.js';

const TRY_LOCK = 'select pg_try_advisory_xact_lock_shared($1) as is_free';

/** Keeps backups and deletions of stored files apart: a backup copies the rows first and their files afterwards. */
@Injectable()
export class FileDeletionsService {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /**
   * Runs `work`, which deletes files that rows have referred to, in a transaction, unless a backup is running; then it returns
   * false, and the work is left for later. What `work` has written before it fails is committed. Files that never had a row
   * may be deleted at any time.
   */
  async unlessBackupRuns(work: (manager: EntityManager) => Promise<void>): Promise<boolean> {
    let failure: { error: unknown } | undefined;
    const hasRun = await this.dataSource.transaction(async (manager) => {
      const [lock] = await manager.query<{ is_free: boolean }[]>(TRY_LOCK, [ADVISORY_LOCKS.fileDeletions]);
      if (lock!.is_free) await work(manager).catch((error: unknown) => (failure = { error }));
      return lock!.is_free;
    });
    if (failure) throw failure.error;
    return hasRun;
  }
}

import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { FileDeletionsService } from '../../storage/file-deletions.service.js';
import { StagedFilesService } from './files/staged-files.service.js';
import { Upload } from './upload.entity.js';
import { UploadFile } from './files/upload-file.entity.js';

const BATCH_SIZE = 100;
/** Files are stored before their row. Younger files may still get one. */
const ORPHAN_AGE_MS = 3_600_000;

/** $1 now. Users who were deleted have no uploads any more. */
const EXPIRE = `update uploads set state = 'abandoned', updated_at = $1
  where id in (select id from uploads where state = 'open' and (expires_at <= $1 or user_id is null)
    limit ${BATCH_SIZE} for update skip locked) returning id, user_id`;

/** In random order: files that cannot be deleted must not block the others. */
const FILES_TO_DELETE = `select f.id from upload_files f join uploads u on u.id = f.upload_id
  where u.state in ('abandoned', 'committed', 'failed') order by random() limit ${BATCH_SIZE}`;

/** $1 now. */
const DELETE_ENDED = `delete from uploads u where u.id in (select id from uploads
    where state = 'abandoned' or (state in ('committed', 'failed') and (expires_at <= $1 or user_id is null))
    limit ${BATCH_SIZE} for update skip locked)
  and not exists (select from upload_files f where f.upload_id = u.id)`;

/** Deletes what uploads that have ended leave behind. */
@Injectable()
export class UploadCleanupService {
  private readonly log = new Logger('Uploads');

  constructor(
    @InjectRepository(Upload) private readonly uploads: Repository<Upload>,
    @InjectRepository(UploadFile) private readonly files: Repository<UploadFile>,
    private readonly staged: StagedFilesService,
    private readonly deletions: FileDeletionsService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /** Abandons uploads that have expired; deletes the files of uploads that have ended, and at last their rows. */
  async run(signal: AbortSignal): Promise<void> {
    await this.expire();
    while (await this.deleteFiles(signal));
    await this.uploads.query(DELETE_ENDED, [this.clock.date()]);
  }

  /** Deletes some files of uploads that have ended. Returns whether there may be more to delete now. */
  private async deleteFiles(signal: AbortSignal): Promise<boolean> {
    const ids = (await this.uploads.query<{ id: string }[]>(FILES_TO_DELETE)).map(({ id }) => id);
    const areDeleted = await this.deletions.deleteFiles(ids, {
      remove: (id) => this.staged.remove([id]),
      forget: (manager, some) => manager.delete(UploadFile, some),
      isStopping: () => signal.aborted,
    });
    return areDeleted && ids.length === BATCH_SIZE;
  }

  /** Deletes stored files without a row, which crashes have left behind. */
  async sweep(signal: AbortSignal): Promise<void> {
    let ids: string[] = [];
    for await (const id of this.staged.listOlder(new Date(this.clock.now() - ORPHAN_AGE_MS))) {
      if (signal.aborted) return;
      ids.push(id);
      if (ids.length === BATCH_SIZE) await this.removeOrphans(ids.splice(0), signal);
    }
    await this.removeOrphans(ids, signal);
  }

  private async removeOrphans(ids: string[], signal: AbortSignal): Promise<void> {
    if (ids.length === 0) return;
    const known = new Set(
      (await this.files.find({ select: { id: true }, where: { id: In(ids) } })).map(({ id }) => id),
    );
    const orphans = ids.filter((id) => !known.has(id));
    if (orphans.length === 0) return;
    const remove = (id: string): Promise<void> => this.staged.remove([id]);
    const areDeleted = await this.deletions.deleteFiles(orphans, { remove, isStopping: () => signal.aborted });
    if (areDeleted) this.log.warn(`Deleted ${orphans.length} uploaded files without a row`);
  }

  private async expire(): Promise<void> {
    await this.uploads.manager.transaction(async (manager) => {
      const expired = await returningRows<{ id: string; user_id: string | null }>(manager, EXPIRE, [this.clock.date()]);
      if (expired.length === 0) return;
      await this.audit.writeAll(
        manager,
        expired.map(({ id, user_id }) => ({ action: 'upload.expired', actor_id: user_id, subject_id: id })),
      );
    });
  }
}

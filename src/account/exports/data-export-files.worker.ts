import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { FileDeletionsService } from '../../storage/file-deletions.service.js';
import { FilesWorker } from '../../storage/files.worker.js';
import { Storage } from '../../storage/storage.js';
import { DataExportFilesService, exportFileIdOf, EXPORTS_FOLDER } from './data-export-files.service.js';
import { DataExport } from './data-export.entity.js';

const BATCH_SIZE = 100;
const UNFINISHED_AGE_MS = 3_600_000;

/** $1 now. In random order: files that cannot be deleted must not block the others. */
const TO_DELETE = `select id, file_id from data_exports
  where user_id is null or (state <> 'pending' and expires_at <= $1) order by random() limit ${BATCH_SIZE}`;

/** Deletes exports that have expired, or that their users have deleted or replaced, with their files. */
@Injectable()
export class DataExportFilesWorker extends FilesWorker {
  constructor(
    @InjectRepository(DataExport) private readonly exports: Repository<DataExport>,
    private readonly files: DataExportFilesService,
    protected readonly storage: Storage,
    protected readonly clock: Clock,
    protected readonly deletions: FileDeletionsService,
  ) {
    super(EXPORTS_FOLDER, 'data export');
  }

  async deleteRemovedFiles(): Promise<void> {
    while ((await this.deleteBatch()) && !this.isStopping);
  }

  /** Returns whether there may be more to delete now. */
  private async deleteBatch(): Promise<boolean> {
    type Row = Pick<DataExport, 'id' | 'file_id'>;
    const rows = await this.exports.query<Row[]>(TO_DELETE, [this.clock.date()]);
    if (rows.length === 0) return false;
    const files = new Map(rows.map(({ id, file_id }) => [id, file_id]));
    const areDeleted = await this.deleteListed(
      [...files.keys()],
      async (id) => {
        const file = files.get(id);
        if (file) await this.files.remove(file);
      },
      (manager, ids) => manager.delete(DataExport, ids),
    );
    return areDeleted && rows.length === BATCH_SIZE;
  }

  /** Deletes what crashes have left behind, also the parts of archives that were not completed. */
  override async sweep(): Promise<void> {
    await this.storage.deleteUnfinished(EXPORTS_FOLDER, new Date(this.clock.now() - UNFINISHED_AGE_MS));
    await super.sweep();
  }

  protected idOf(key: string): string | undefined {
    return exportFileIdOf(key);
  }

  protected async findKnownIds(ids: string[]): Promise<Set<string>> {
    const rows = await this.exports.find({ select: { file_id: true }, where: { file_id: In(ids) } });
    return new Set(rows.map(({ file_id }) => file_id!));
  }
}

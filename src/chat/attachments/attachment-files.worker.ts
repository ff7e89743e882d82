import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { FileDeletionsService } from '../../storage/file-deletions.service.js';
import { FilesWorker } from '../../storage/files.worker.js';
import { Storage } from '../../storage/storage.js';
import { imageIdOf } from '../../stored-images/image-files.js';
import { AttachmentFilesService, ATTACHMENTS_FOLDER } from './attachment-files.service.js';
import { AttachmentRemoval } from './attachment-removal.entity.js';
import { Attachment } from './attachment.entity.js';
import { AttachmentsService } from './attachments.service.js';

const REMOVALS_PER_RUN = 500;

/** Deletes attachments that were not sent in time, and files of attachments that are no longer needed. */
@Injectable()
export class AttachmentFilesWorker extends FilesWorker {
  constructor(
    @InjectRepository(Attachment) private readonly rows: Repository<Attachment>,
    @InjectRepository(AttachmentRemoval) private readonly removals: Repository<AttachmentRemoval>,
    private readonly attachments: AttachmentsService,
    private readonly files: AttachmentFilesService,
    protected readonly storage: Storage,
    protected readonly clock: Clock,
    protected readonly deletions: FileDeletionsService,
  ) {
    super(ATTACHMENTS_FOLDER, 'attachment');
  }

  async deleteRemovedFiles(): Promise<void> {
    // In random order: files that cannot be deleted must not block the others.
    const removals = await this.removals.createQueryBuilder().orderBy('random()').limit(REMOVALS_PER_RUN).getMany();
    if (removals.length === 0) return;
    await this.deleteListed(
      removals.map(({ attachment_id }) => attachment_id),
      (id) => this.files.remove(id),
      (manager, ids) => manager.delete(AttachmentRemoval, ids),
    );
  }

  /** Deletes what was not sent in time, and what crashes have left behind. */
  override async sweep(): Promise<void> {
    while (!this.isStopping && (await this.attachments.removeExpired()));
    await super.sweep();
  }

  protected idOf(key: string): string | undefined {
    return imageIdOf(key);
  }

  protected async findKnownIds(ids: string[]): Promise<Set<string>> {
    const rows = await this.rows.find({ select: { id: true }, where: { id: In(ids) } });
    return new Set(rows.map(({ id }) => id));
  }
}

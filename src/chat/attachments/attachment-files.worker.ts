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

  deleteRemovedFiles(): Promise<void> {
    return this.deleteRemovals(this.removals, 'attachment_id', (id) => this.files.remove(id));
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

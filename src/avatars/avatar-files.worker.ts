import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, LessThan, Repository } from 'typeorm';
import { Clock } from '../common/clock.provider.js';
import { FileDeletionsService } from '../storage/file-deletions.service.js';
import { FilesWorker } from '../storage/files.worker.js';
import { PROBES_FOLDER, Storage } from '../storage/storage.js';
import { Avatar, LIVE_STATES } from './avatar.entity.js';
import { AVATARS_FOLDER, AvatarFilesService, avatarIdOf } from './avatar-files.service.js';
import { AvatarRemoval } from './avatar-removal.entity.js';

const PROBE_AGE_MS = 3_600_000;
/** Withdrawn avatars are kept for a week, so that a late decision of a moderator is answered with `avatar_not_pending`. */
const WITHDRAWN_AGE_MS = 7 * 86_400_000;

/** Deletes files of avatars that are no longer needed, and what storage probes and unfinished puts have left behind. */
@Injectable()
export class AvatarFilesWorker extends FilesWorker {
  constructor(
    @InjectRepository(Avatar) private readonly avatars: Repository<Avatar>,
    @InjectRepository(AvatarRemoval) private readonly removals: Repository<AvatarRemoval>,
    private readonly files: AvatarFilesService,
    protected readonly storage: Storage,
    protected readonly clock: Clock,
    protected readonly deletions: FileDeletionsService,
  ) {
    super(AVATARS_FOLDER, 'avatar');
  }

  deleteRemovedFiles(): Promise<void> {
    return this.deleteRemovals(this.removals, 'avatar_id', (id) => this.files.remove(id));
  }

  /** Deletes what crashes have left behind, and old withdrawn avatars. */
  override async sweep(): Promise<void> {
    const before = new Date(this.clock.now() - PROBE_AGE_MS);
    await this.storage.deleteUnfinished(AVATARS_FOLDER, before);
    await this.deleteWithdrawnAvatars();
    await this.deleteOldProbes(before);
    await super.sweep();
  }

  protected idOf(key: string): string | undefined {
    return avatarIdOf(key);
  }

  protected async findKnownIds(ids: string[]): Promise<Set<string>> {
    const avatars = await this.avatars.find({ select: { id: true }, where: { id: In(ids), state: In(LIVE_STATES) } });
    return new Set(avatars.map(({ id }) => id));
  }

  private async deleteWithdrawnAvatars(): Promise<void> {
    const decided_at = LessThan(new Date(this.clock.now() - WITHDRAWN_AGE_MS));
    await this.avatars.delete({ state: 'withdrawn', decided_at });
  }

  private async deleteOldProbes(before: Date): Promise<void> {
    for await (const { key, modified_at } of this.storage.list(PROBES_FOLDER)) {
      if (modified_at < before) await this.storage.delete(key);
    }
  }
}

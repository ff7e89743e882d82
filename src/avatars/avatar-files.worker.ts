import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, LessThan, Repository } from 'typeorm';
import { Clock } from '../common/clock.provider.js';
import { Storage } from '../storage/storage.js';
import { Avatar, LIVE_STATES } from './avatar.entity.js';
import { AVATARS_FOLDER, AvatarFilesService, avatarIdOf } from './avatar-files.service.js';
import { AvatarRemoval } from './avatar-removal.entity.js';

const PROBES_FOLDER = 'probe/';
const REMOVALS_INTERVAL_MS = 2_000;
const SWEEP_INTERVAL_MS = 3_600_000;
/** Files are stored before their row. Younger files may still get one. */
const ORPHAN_AGE_MS = 3_600_000;
const ORPHANS_PER_QUERY = 500;
const REMOVALS_PER_RUN = 100;
/** Withdrawn avatars are kept for a week, so that a late decision of a moderator is answered with `avatar_not_pending`. */
const WITHDRAWN_AGE_MS = 7 * 86_400_000;

/** Deletes files of avatars that are no longer needed, in the background. Several nodes may run it at once. */
@Injectable()
export class AvatarFilesWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(AvatarFilesWorker.name);
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly running = new Set<Promise<void>>();
  private isStopping = false;

  constructor(
    @InjectRepository(Avatar) private readonly avatars: Repository<Avatar>,
    @InjectRepository(AvatarRemoval) private readonly removals: Repository<AvatarRemoval>,
    private readonly files: AvatarFilesService,
    private readonly storage: Storage,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.schedule(REMOVALS_INTERVAL_MS, () => this.deleteRemovedFiles());
    this.schedule(SWEEP_INTERVAL_MS, () => this.sweep());
    void this.runInBackground(() => this.sweep());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all(this.running);
  }

  /** Deletes the files of avatars that the database has listed for removal, then their entries in the list. */
  async deleteRemovedFiles(): Promise<void> {
    // In random order: files that cannot be deleted must not block the others.
    const removals = await this.removals.createQueryBuilder().orderBy('random()').limit(REMOVALS_PER_RUN).getMany();
    for (const { avatar_id } of removals) {
      if (this.isStopping) return;
      await this.files.remove(avatar_id);
      await this.removals.delete({ avatar_id });
    }
  }

  /** Deletes what crashes have left behind, and old withdrawn avatars. */
  async sweep(): Promise<void> {
    const before = new Date(this.clock.now() - ORPHAN_AGE_MS);
    await this.storage.deleteUnfinished(before);
    await this.deleteWithdrawnAvatars();
    await this.deleteOldProbes(before);
    await this.deleteOrphanedFiles(before);
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

  private async deleteOrphanedFiles(before: Date): Promise<void> {
    let keys: string[] = [];
    for await (const { key, modified_at } of this.storage.list(AVATARS_FOLDER)) {
      if (this.isStopping) return;
      if (modified_at < before && avatarIdOf(key)) keys.push(key);
      if (keys.length === ORPHANS_PER_QUERY) await this.deleteWithoutAvatar(keys.splice(0));
    }
    await this.deleteWithoutAvatar(keys);
  }

  private async deleteWithoutAvatar(keys: string[]): Promise<void> {
    const ids = keys.map((key) => avatarIdOf(key)!);
    const avatars = await this.avatars.find({ select: { id: true }, where: { id: In(ids), state: In(LIVE_STATES) } });
    const known = new Set(avatars.map(({ id }) => id));
    const orphans = keys.filter((key) => !known.has(avatarIdOf(key)!));
    for (const key of orphans) await this.storage.delete(key);
    if (orphans.length > 0) this.log.warn(`Deleted ${orphans.length} files without an avatar`);
  }

  /** Skips a run while the previous one has not ended. */
  private schedule(ms: number, work: () => Promise<void>): void {
    let isRunning = false;
    const timer = setInterval(() => {
      if (isRunning) return;
      isRunning = true;
      void this.runInBackground(work).finally(() => (isRunning = false));
    }, ms);
    this.timers.push(timer);
  }

  private runInBackground(work: () => Promise<void>): Promise<void> {
    const done = work().catch((error: unknown) => {
      const { cause, message } = error as Error;
      if (this.isStopping) return;
      this.log.warn(
        `Deleting avatar files failed (${cause instanceof Error ? cause.message : message}); retrying later`,
      );
    });
    this.running.add(done);
    return done.finally(() => this.running.delete(done));
  }
}

import { Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { ObjectLiteral, Repository } from 'typeorm';
import { causeMessage } from '../common/cause-message.js';
import { Clock } from '../common/clock.provider.js';
import type { FileDeletion, FileDeletionsService } from './file-deletions.service.js';
import type { Storage } from './storage.js';

const REMOVALS_INTERVAL_MS = 2_000;
const REMOVALS_PER_RUN = 500;
const SWEEP_INTERVAL_MS = 3_600_000;
/** Files are stored before their row. Younger files may still get one. */
const ORPHAN_AGE_MS = 3_600_000;
const ORPHANS_PER_QUERY = 500;

/**
 * Deletes the files of one folder that are no longer needed, in the background: those that the database has listed for
 * removal, and those that crashes have left without a row. Several nodes may run it at once.
 */
export abstract class FilesWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  protected isStopping = false;
  protected abstract readonly storage: Storage;
  protected abstract readonly clock: Clock;
  protected abstract readonly deletions: FileDeletionsService;
  private readonly log = new Logger(this.constructor.name);
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly running = new Set<Promise<void>>();

  /** `kind` is the word for the log, such as avatar. */
  protected constructor(
    private readonly folder: string,
    private readonly kind: string,
  ) {}

  /** Deletes the files that the database has listed for removal, then their entries in the list. */
  abstract deleteRemovedFiles(): Promise<void>;

  /** The id of the row that a key belongs to; undefined for keys of another form. */
  protected abstract idOf(key: string): string | undefined;

  /** Those of these ids that have a row whose files are needed. */
  protected abstract findKnownIds(ids: string[]): Promise<Set<string>>;

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

  /** Deletes what crashes have left behind. */
  async sweep(): Promise<void> {
    const before = new Date(this.clock.now() - ORPHAN_AGE_MS);
    let keys: string[] = [];
    for await (const { key, modified_at } of this.storage.list(this.folder)) {
      if (this.isStopping) return;
      if (modified_at < before && this.idOf(key)) keys.push(key);
      if (keys.length === ORPHANS_PER_QUERY) await this.deleteWithoutRow(keys.splice(0));
    }
    await this.deleteWithoutRow(keys);
  }

  /**
   * Deletes the files of some rows of a list of removals, and then these rows. `key` is the column with the id; `remove` deletes
   * the files of an id.
   */
  protected async deleteRemovals<Removal extends ObjectLiteral>(
    removals: Repository<Removal>,
    key: keyof Removal,
    remove: FileDeletion['remove'],
  ): Promise<void> {
    // In random order: files that cannot be deleted must not block the others.
    const rows = await removals.createQueryBuilder().orderBy('random()').limit(REMOVALS_PER_RUN).getMany();
    if (rows.length === 0) return;
    const ids = rows.map((row) => row[key] as string);
    await this.deleteListed(ids, remove, (manager, deleted) => manager.delete(removals.target, deleted));
  }

  /** Deletes the files of some ids, and what lists them. Returns whether all are deleted: see FileDeletionsService. */
  protected deleteListed(
    ids: string[],
    remove: FileDeletion['remove'],
    forget: FileDeletion['forget'],
  ): Promise<boolean> {
    return this.deletions.deleteFiles(ids, { remove, forget, isStopping: () => this.isStopping });
  }

  private async deleteWithoutRow(keys: string[]): Promise<void> {
    const known = await this.findKnownIds([...new Set(keys.map((key) => this.idOf(key)!))]);
    const orphans = keys.filter((key) => !known.has(this.idOf(key)!));
    if (orphans.length === 0) return;
    const remove = (key: string): Promise<void> => this.storage.delete(key);
    const areDeleted = await this.deletions.deleteFiles(orphans, { remove, isStopping: () => this.isStopping });
    if (areDeleted) this.log.warn(`Deleted ${orphans.length} files without a row (${this.kind})`);
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
      if (this.isStopping) return;
      this.log.warn(`Deleting files (${this.kind}) failed (${causeMessage(error)}); retrying later`);
    });
    this.running.add(done);
    return done.finally(() => this.running.delete(done));
  }
}

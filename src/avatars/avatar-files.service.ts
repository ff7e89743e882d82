import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../common/clock.provider.js';
import { POOL } from '../database/database.module.js';
import { Storage } from '../storage/storage.js';
import { type ProcessedImage, type Size, SIZES } from './image-format.js';

/** What anybody may keep for good: the address of an avatar never shows another picture. */
export const FOREVER = 'public, max-age=31536000, immutable';

const FOLDER = 'avatars/';
const PROBES = 'probe/';
const CLEAR_MS = 2_000;
const SWEEP_MS = 3_600_000;
/** Bytes are stored before their row: younger ones may still get it. */
const MARGIN_MS = 3_600_000;
const BATCH = 500;
/** In no order, so that one whose files cannot be deleted does not hold up the others for good. */
const TO_CLEAR = 'select avatar_id from avatar_removals order by random() limit 100';
/** Withdrawn uploads are remembered for a while, so that a moderator who decides one late hears why that fails. */
const MEMORY_MS = 7 * 86_400_000;

/** In 256 folders, by the random end of the id, so that none grows without bound. */
export const keyOf = (id: string, size: Size): string => `${FOLDER}${id.slice(-2)}/${id}-${size}.webp`;

const idOf = (key: string): string | undefined => /([0-9a-f-]{36})-\d+\.webp$/.exec(key)?.[1];

/** The files of avatars, and what keeps them in step with the rows. */
@Injectable()
export class AvatarFilesService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(AvatarFilesService.name);
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly running = new Set<Promise<void>>();
  private isStopping = false;

  constructor(
    private readonly storage: Storage,
    @Inject(POOL) private readonly pool: Pool,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.every(CLEAR_MS, () => this.clear());
    this.every(SWEEP_MS, () => this.sweep());
    void this.inBackground(() => this.sweep());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all(this.running);
  }

  /** All or none, but for a crash: see `sweep`. */
  async put(id: string, { files }: ProcessedImage): Promise<void> {
    const about = { type: 'image/webp', cache_control: FOREVER };
    const puts = await Promise.allSettled(
      files.map(({ size, bytes }) => this.storage.put(keyOf(id, size), bytes, { ...about, size: bytes.length })),
    );
    const failed = puts.find((put) => put.status === 'rejected');
    if (!failed) return;
    await this.discard(id);
    throw failed.reason;
  }

  /** Files that got no row. What cannot be deleted now is swept later. */
  async discard(id: string): Promise<void> {
    await this.remove(id).catch(() => undefined);
  }

  /** Deletes the files that the database has listed. Listed again or twice, on two nodes at once, does no harm. */
  async clear(): Promise<void> {
    const { rows } = await this.pool.query<{ avatar_id: string }>(TO_CLEAR);
    for (const { avatar_id } of rows) {
      if (this.isStopping) return;
      await this.remove(avatar_id);
      await this.pool.query('delete from avatar_removals where avatar_id = $1', [avatar_id]);
    }
  }

  /** Deletes what no row points to: what a crash between bytes and row has left. */
  async sweep(): Promise<void> {
    const before = new Date(this.clock.now() - MARGIN_MS);
    await this.storage.tidy(before);
    const forgotten = new Date(this.clock.now() - MEMORY_MS);
    await this.pool.query(`delete from avatars where state = 'withdrawn' and decided_at < $1`, [forgotten]);
    for await (const { key, modified_at } of this.storage.list(PROBES)) {
      if (modified_at < before) await this.storage.delete(key);
    }
    let batch: string[] = [];
    for await (const { key, modified_at } of this.storage.list(FOLDER)) {
      if (this.isStopping) return;
      if (modified_at < before && idOf(key)) batch.push(key);
      if (batch.length === BATCH) await this.removeOrphans(batch.splice(0));
    }
    await this.removeOrphans(batch);
  }

  private async removeOrphans(keys: string[]): Promise<void> {
    const { rows } = await this.pool.query<{ id: string }>(
      `select id from avatars where id = any ($1::uuid[]) and state in ('pending', 'approved')`,
      [keys.map(idOf)],
    );
    const known = new Set(rows.map(({ id }) => id));
    const orphans = keys.filter((key) => !known.has(idOf(key)!));
    for (const key of orphans) await this.storage.delete(key);
    if (orphans.length > 0) this.log.warn(`${orphans.length} files without an avatar deleted`);
  }

  private async remove(id: string): Promise<void> {
    for (const size of SIZES) await this.storage.delete(keyOf(id, size));
  }

  /** Not while the last time is still under way, which a store that hangs may take long over. */
  private every(ms: number, work: () => Promise<void>): void {
    let isRunning = false;
    const timer = setInterval(() => {
      if (isRunning) return;
      isRunning = true;
      void this.inBackground(work).finally(() => (isRunning = false));
    }, ms);
    this.timers.push(timer);
  }

  private inBackground(work: () => Promise<void>): Promise<void> {
    const done = work().catch((error: unknown) => {
      const { cause, message } = error as Error;
      if (!this.isStopping)
        this.log.warn(`files could not be cleared: ${cause instanceof Error ? cause.message : message}`);
    });
    this.running.add(done);
    return done.finally(() => this.running.delete(done));
  }
}

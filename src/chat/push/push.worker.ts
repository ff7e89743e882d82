import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { causeMessage } from '../../common/cause-message.js';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { LabelCounts } from '../../metrics/counts.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { PushCandidatesService } from './push-candidates.service.js';
import { PushAttemptsService } from './push-attempts.service.js';
import { CLAIM, type ClaimedDelivery, DISTRIBUTE, REMOVE_EXPIRED, SELECT_QUEUE } from './push-deliveries.js';
import { PushSenderService } from './push-sender.service.js';

/** Finds retries that are due, and the work of processes that have died. */
const POLL_INTERVAL_MS = 5_000;
const BATCH_SIZE = 200;
/** Subscriptions that one process sends to at a time. One that does not answer occupies its place for up to 10 s. */
const MAX_SENDING = 50;
/** Longer than sending to one subscription can take. */
const LEASE_MS = 120_000;
/** At shutdown, pushes that are being sent have this long. What takes longer is sent again after its lease. */
const SHUTDOWN_TIMEOUT_MS = 5_000;
export const LIFETIME_MS = 24 * 3_600_000;

/** Sends messages as pushes, each at least once. Any number of processes may run a worker. */
@Injectable()
export class PushWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('Push');
  private readonly sending = new Set<Promise<void>>();
  private readonly expired = new LabelCounts('result', ['expired']);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isRunRequested = false;
  private isStopping = false;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly candidates: PushCandidatesService,
    private readonly attempts: PushAttemptsService,
    private readonly sender: PushSenderService,
    private readonly clock: Clock,
    metrics: MetricsService,
  ) {
    if (sender.publicKey === undefined) return;
    metrics.total('machi_push_attempts_total', 'Pushes by result.', () => [
      ...attempts.results.read(),
      ...this.expired.read(),
    ]);
    metrics.gauge('machi_push_outbox_messages', 'Pushes that wait.', async () => (await this.readQueue()).count);
    metrics.gauge(
      'machi_push_outbox_oldest_seconds',
      'Age of the push that waits longest; 0 if none waits.',
      async () => {
        const { oldest } = await this.readQueue();
        return oldest === null ? 0 : Math.max(0, (clock.now() - oldest.getTime()) / 1000);
      },
    );
  }

  onApplicationBootstrap(): void {
    if (this.sender.publicKey === undefined) return;
    this.candidates.whenNoted(() => void this.run());
    this.timer = setInterval(() => void this.run(), POLL_INTERVAL_MS).unref();
    void this.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await Promise.race([this.idle(), sleep(SHUTDOWN_TIMEOUT_MS, undefined, { ref: false })]);
  }

  /** Starts to send all that is due, including what becomes due during a call that is still running. Never rejects. */
  run(): Promise<void> {
    this.isRunRequested = true;
    return (this.running ??= this.runRequested());
  }

  /** Resolves when this process sends nothing. */
  async idle(): Promise<void> {
    while (this.running || this.sending.size > 0) await Promise.all([this.running, ...this.sending]);
  }

  private async runRequested(): Promise<void> {
    try {
      while (this.isRunRequested && !this.isStopping) {
        this.isRunRequested = false;
        const { rowCount } = await this.pool.query(REMOVE_EXPIRED, [this.clock.date()]);
        this.expired.add('expired', rowCount ?? 0);
        await this.distribute();
        await this.sendDue();
      }
    } catch (error) {
      this.log.warn(`Reading pushes to send failed (${causeMessage(error)}); retrying in ${POLL_INTERVAL_MS} ms`);
    } finally {
      this.running = undefined;
    }
  }

  private async distribute(): Promise<void> {
    while (!this.isStopping) {
      const now = this.clock.now();
      const values = [new Date(now), new Date(now + LIFETIME_MS), BATCH_SIZE];
      const { rows } = await this.pool.query<{ count: number }>(DISTRIBUTE, values);
      if (rows[0]!.count < BATCH_SIZE) return;
    }
  }

  /** Returns when nothing more is due; what was claimed may still be being sent. */
  private async sendDue(): Promise<void> {
    while (!this.isStopping) {
      while (this.sending.size >= MAX_SENDING) await Promise.race(this.sending);
      const now = this.clock.now();
      const values = [new Date(now), new Date(now + LEASE_MS), MAX_SENDING - this.sending.size];
      const { rows } = await this.pool.query<ClaimedDelivery>(CLAIM, values);
      if (rows.length === 0) return;
      for (const deliveries of bySubscription(rows)) this.start(deliveries);
    }
  }

  private start(deliveries: ClaimedDelivery[]): void {
    const sending = this.attempts
      .send(deliveries)
      .then((isMoreDue) => {
        if (isMoreDue) void this.run();
      })
      .catch((error: unknown) => {
        const seconds = LEASE_MS / 1000;
        this.log.warn(
          `Recording the result of a push failed (${causeMessage(error)}); sending it again in ${seconds} s`,
        );
      })
      .finally(() => this.sending.delete(sending));
    this.sending.add(sending);
  }

  private async readQueue(): Promise<{ count: number; oldest: Date | null }> {
    const { rows } = await this.pool.query<{ count: number; oldest: Date | null }>(SELECT_QUEUE);
    return rows[0]!;
  }
}

function bySubscription(deliveries: ClaimedDelivery[]): ClaimedDelivery[][] {
  const groups = new Map<string, ClaimedDelivery[]>();
  for (const delivery of deliveries) {
    const group = groups.get(delivery.subscription_id);
    if (group) group.push(delivery);
    else groups.set(delivery.subscription_id, [delivery]);
  }
  return [...groups.values()];
}

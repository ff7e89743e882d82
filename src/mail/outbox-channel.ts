import type { Logger } from '@nestjs/common';
import { SpanKind } from '@opentelemetry/api';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Clock } from '../common/clock.provider.js';
import { LabelCounts } from '../metrics/counts.js';
import { inSpan } from '../tracing/tracing.js';
import type { MetricsService } from '../metrics/metrics.service.js';
import { codesOf, isRejected, isSetupRefused, type SendError } from './mail-errors.js';
import type { OutgoingMessage, Send } from './mail-transport.js';
import type { Channel, Mail } from './mail.entity.js';
import type { MailContent, MailsService } from './mails.service.js';

/** Finds mails whose next attempt is due, and mails of processes that have died. */
export const POLL_INTERVAL_MS = 5_000;
const BATCH_SIZE = 5;
/** Longer than sending can take: a mail that is still claimed after this time belongs to a dead process. */
const LEASE_MS = 90_000;
const SEND_TIMEOUT_MS = 60_000;
const FIRST_BACKOFF_MS = 5_000;
const MAX_BACKOFF_MS = 600_000;
/** At shutdown, mails that are being sent have this long. A mail that takes longer is sent again after its lease. */
const SHUTDOWN_TIMEOUT_MS = 5_000;
const RETENTION_MS = 7 * 86_400_000;

/** The delay before the next attempt: doubles from 5 s up to 10 min. */
const backoffAfter = (attempts: number): number => Math.min(FIRST_BACKOFF_MS * 2 ** (attempts - 1), MAX_BACKOFF_MS);

/** A claim is a lease until $2. If the process dies, another one claims the mail after that. */
const CLAIM = `update mails set attempts = attempts + 1, due_at = $2
  where id in (select id from mails where state = 'queued' and due_at <= $1 and expires_at > $1 and channel = $3
    order by due_at limit ${BATCH_SIZE} for update skip locked)
  returning id, kind, encrypted_content, attempts, expires_at`;

/** Every claim increments `attempts`, so an equal number means that no other process has claimed the mail since. */
const STILL_CLAIMED = `where id = $1 and state = 'queued' and attempts = $2`;

const SETTLE = `update mails set state = $3, settled_at = $4, last_error = $5, encrypted_content = null ${STILL_CLAIMED}`;
const RESCHEDULE = `update mails set due_at = $3, last_error = $4 ${STILL_CLAIMED}`;

const FAIL_EXPIRED = `update mails
  set state = 'failed', settled_at = $1, last_error = coalesce(last_error, 'too late'), encrypted_content = null
  where id in (select id from mails where state = 'queued' and expires_at <= $1 and due_at <= $1 and channel = $2
    for update skip locked)`;
const DELETE_SETTLED = `delete from mails
  where id in (select id from mails where settled_at < $1 and channel = $2 limit 1000 for update skip locked)`;

/** $1 channel. The state of the mails says the same, but only for a week. */
const SELECT_QUEUE = `select count(*)::int as count, min(created_at) as oldest from mails
  where state = 'queued' and channel = $1`;

const ATTEMPT_RESULTS = ['sent', 'discarded', 'failed', 'retried', 'expired'] as const;

type ClaimedMail = Pick<Mail, 'id' | 'kind' | 'encrypted_content' | 'attempts' | 'expires_at'>;

/** `refused`: the server does not accept this sender. `off`: no server is set. */
export type MailServerState = 'ok' | 'refused' | 'unavailable' | 'off';

interface Dependencies {
  pool: Pool;
  mails: MailsService;
  clock: Clock;
  log: Logger;
  metrics: MetricsService;
}

interface Options {
  channel: Channel;
  /** In log lines. */
  noun: string;
  /** Undefined: messages of this channel stay in the outbox until they expire. */
  send: Send | undefined;
}

/** Sends the messages of one channel of the outbox, each at least once. */
export class OutboxChannel {
  private lastResult: MailServerState = 'ok';
  private running: Promise<void> | undefined;
  private isRunRequested = false;
  private isStopping = false;
  private readonly attempts = new LabelCounts('result', ATTEMPT_RESULTS);

  constructor(
    private readonly use: Dependencies,
    private readonly options: Options,
  ) {
    const { channel } = options;
    const { metrics, clock } = use;
    metrics.total(
      'machi_mail_attempts_total',
      'Attempts to send a mail or SMS by result.',
      () => this.attempts.read(),
      { channel },
    );
    metrics.gauge('machi_mail_outbox_messages', 'Messages that wait.', async () => (await this.readQueue()).count, {
      channel,
    });
    metrics.gauge(
      'machi_mail_outbox_oldest_seconds',
      'Age of the message that waits longest; 0 if none waits.',
      async () => {
        const { oldest } = await this.readQueue();
        return oldest === null ? 0 : Math.max(0, (clock.now() - oldest.getTime()) / 1000);
      },
      { channel },
    );
  }

  /** The state of the server at the last attempt of this process to send a message. */
  get serverState(): MailServerState {
    return this.options.send ? this.lastResult : 'off';
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.race([this.running, sleep(SHUTDOWN_TIMEOUT_MS, undefined, { ref: false })]);
  }

  /** Sends all messages that are due, including those that become due during a call that is still running. Never rejects. */
  run(): Promise<void> {
    this.isRunRequested = true;
    return (this.running ??= this.runRequested());
  }

  private async runRequested(): Promise<void> {
    try {
      while (this.isRunRequested && !this.isStopping) {
        this.isRunRequested = false;
        await this.removeOld();
        await this.sendDue();
      }
    } catch (error) {
      this.use.log.warn(`Reading the outbox failed (${(error as Error).message}); retrying in ${POLL_INTERVAL_MS} ms`);
    } finally {
      this.running = undefined;
    }
  }

  private async removeOld(): Promise<void> {
    const now = this.use.clock.now();
    const { channel } = this.options;
    const expired = await this.use.pool.query(FAIL_EXPIRED, [new Date(now), channel]);
    this.attempts.add('expired', expired.rowCount ?? 0);
    await this.use.pool.query(DELETE_SETTLED, [new Date(now - RETENTION_MS), channel]);
  }

  private async sendDue(): Promise<void> {
    if (!this.options.send) return;
    while (!this.isStopping) {
      const now = this.use.clock.now();
      const values = [new Date(now), new Date(now + LEASE_MS), this.options.channel];
      const { rows } = await this.use.pool.query<ClaimedMail>(CLAIM, values);
      if (rows.length === 0) return;
      await Promise.all(rows.map((mail) => this.deliver(mail)));
    }
  }

  private async deliver(mail: ClaimedMail): Promise<void> {
    const content = this.readContent(mail);
    if (!content) return this.recordUnreadable(mail);
    if (content.to === null) return this.settle(mail, 'discarded');
    try {
      await this.transmit({ id: mail.id, kind: mail.kind, ...content, to: content.to });
    } catch (error) {
      return this.recordFailure(mail, error as SendError);
    }
    this.lastResult = 'ok';
    return this.settle(mail, 'sent');
  }

  private async readQueue(): Promise<{ count: number; oldest: Date | null }> {
    const values = [this.options.channel];
    const { rows } = await this.use.pool.query<{ count: number; oldest: Date | null }>(SELECT_QUEUE, values);
    return rows[0]!;
  }

  /** Undefined if the mail was encrypted with another SECRET_KEY, or changed. */
  private readContent(mail: ClaimedMail): MailContent | undefined {
    try {
      return this.use.mails.readContent(mail);
    } catch {
      return undefined;
    }
  }

  /** Another process may have the SECRET_KEY of the mail, for example during a change of the key. */
  private recordUnreadable(mail: ClaimedMail): Promise<void> {
    const failure = `Decrypting ${this.describe(mail)} failed: this process has another SECRET_KEY`;
    return this.retryOrFail(mail, 'unreadable', failure);
  }

  private async transmit(message: OutgoingMessage): Promise<void> {
    const { noun, channel, send } = this.options;
    const attributes = { 'machi.mail.channel': channel, 'machi.mail.kind': message.kind };
    const file = await inSpan({ name: `send ${noun}`, kind: SpanKind.CLIENT, attributes }, () =>
      withTimeout(SEND_TIMEOUT_MS, send!(message)),
    );
    if (file !== undefined) this.use.log.log(`${noun} "${message.kind}" written to ${file}`);
  }

  private recordFailure(mail: ClaimedMail, error: SendError): Promise<void> {
    const reason = codesOf(error);
    this.lastResult = resultOf(error);
    const remedy = isSetupRefused(error)
      ? '; the server refuses this sender: check SMTP_URL, MAIL_FROM and SMTP_EHLO_NAME'
      : '';
    const failure = `Sending ${this.describe(mail)} failed (${reason}), attempt ${mail.attempts}${remedy}`;
    return this.retryOrFail(mail, reason, failure, isRejected(error));
  }

  private describe({ id, kind }: ClaimedMail): string {
    return `${this.options.noun} "${kind}" ${id}`;
  }

  /** Logs the failure and plans the next attempt. There is none if this one is final, or the mail has expired by then. */
  private async retryOrFail(mail: ClaimedMail, reason: string, failure: string, isRefused = false): Promise<void> {
    const delay = backoffAfter(mail.attempts);
    const next = this.use.clock.now() + delay;
    const isFinal = isRefused || next >= mail.expires_at.getTime();
    this.use.log.warn(`${failure}; ${isFinal ? 'no further attempt' : `retrying in ${delay / 1000} s`}`);
    if (isFinal) return this.settle(mail, 'failed', reason);
    this.attempts.add('retried');
    await this.use.pool.query(RESCHEDULE, [mail.id, mail.attempts, new Date(next), reason]);
  }

  /** Records the final state and erases the content. */
  private async settle(
    { id, attempts }: ClaimedMail,
    state: Exclude<Mail['state'], 'queued'>,
    error: string | null = null,
  ): Promise<void> {
    this.attempts.add(state);
    await this.use.pool.query(SETTLE, [id, attempts, state, this.use.clock.date(), error]);
  }
}

/** A server that rejects one message permanently works. */
function resultOf(error: SendError): MailServerState {
  if (isSetupRefused(error)) return 'refused';
  return isRejected(error) ? 'ok' : 'unavailable';
}

async function withTimeout<T>(ms: number, work: Promise<T>): Promise<T> {
  const timeout = new AbortController();
  const late = sleep(ms, undefined, { signal: timeout.signal, ref: false }).then(() => {
    throw Object.assign(new Error('took too long'), { code: 'ETIMEDOUT' });
  });
  late.catch(() => undefined);
  return Promise.race([work, late]).finally(() => timeout.abort());
}

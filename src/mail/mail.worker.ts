import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { Clock } from '../common/clock.provider.js';
import { Config } from '../config/config.js';
import { POOL } from '../database/pool.js';
import { type OutgoingMail, transportOf } from './mail-transport.js';
import type { Mail } from './mail.entity.js';
import { type MailContent, MailsService } from './mails.service.js';

/** How often the outbox is looked into without being told: for mails of processes that have died, and for next tries. */
const POLL_MS = 5_000;
const AT_ONCE = 5;
/** Longer than the time-outs of a transport taken together: a mail still claimed after this has lost its process. */
const LEASE_MS = 90_000;
const SEND_LIMIT_MS = 60_000;
const FIRST_BACKOFF_MS = 5_000;
const MAX_BACKOFF_MS = 600_000;
/** What a stop waits for mails that are being sent; those that take longer are sent again, by whoever claims them next. */
const STOP_PATIENCE_MS = 5_000;
const KEPT_MS = 7 * 86_400_000;

/** Doubling from 5 s to 10 min. */
const backoff = (attempts: number): number => Math.min(FIRST_BACKOFF_MS * 2 ** (attempts - 1), MAX_BACKOFF_MS);

/** A claim is a lease: whoever has it may send until it ends, and a process that dies leaves the mail to the others. */
const CLAIM = `update mails set attempts = attempts + 1, due_at = $2
  where id in (select id from mails where state = 'queued' and due_at <= $1 and expires_at > $1
    order by due_at limit ${AT_ONCE} for update skip locked)
  returning id, kind, encrypted_content, attempts, expires_at`;

/** By its attempts a mail is known to be still ours: each claim counts one. */
const OURS = `where id = $1 and state = 'queued' and attempts = $2`;

const SETTLE = `update mails set state = $3, settled_at = $4, last_error = $5, encrypted_content = null ${OURS}`;
const PUT_BACK = `update mails set due_at = $3, last_error = $4 ${OURS}`;
const EXPIRE = `update mails set state = 'failed', settled_at = $1, last_error = coalesce(last_error, 'too late'), encrypted_content = null
  where id in (select id from mails where state = 'queued' and expires_at <= $1 and due_at <= $1 for update skip locked)`;
const PRUNE = `delete from mails
  where id in (select id from mails where settled_at < $1 limit 1000 for update skip locked)`;

type Claimed = Pick<Mail, 'id' | 'kind' | 'encrypted_content' | 'attempts' | 'expires_at'>;

/** Sends what is in the outbox: at least once, off every request, from any number of processes. */
@Injectable()
export class MailWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('Mail');
  private readonly send;
  private running: Promise<void> | undefined;
  private isWanted = false;
  private isStopping = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly mails: MailsService,
    private readonly clock: Clock,
    config: Config,
  ) {
    this.send = transportOf(config);
  }

  onApplicationBootstrap(): void {
    if (!this.send) this.log.warn('SMTP_URL is not set: mails stay in the outbox until they are of no more use');
    this.mails.onEnqueued(() => void this.run());
    this.timer = setInterval(() => void this.run(), POLL_MS).unref();
    void this.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await Promise.race([this.running, sleep(STOP_PATIENCE_MS, undefined, { ref: false })]);
  }

  /** Sends all that is due. Called while it runs, it looks once more. Never fails. */
  run(): Promise<void> {
    this.isWanted = true;
    return (this.running ??= this.work());
  }

  private async work(): Promise<void> {
    try {
      while (this.isWanted && !this.isStopping) {
        this.isWanted = false;
        await this.tidy();
        while (!this.isStopping && (await this.sendSome()) > 0);
      }
    } catch (error) {
      this.log.warn(`the outbox cannot be read: ${(error as Error).message}`); // the next poll tries again
    } finally {
      this.running = undefined;
    }
  }

  private async tidy(): Promise<void> {
    const now = this.clock.now();
    await this.pool.query(EXPIRE, [new Date(now)]);
    await this.pool.query(PRUNE, [new Date(now - KEPT_MS)]);
  }

  private async sendSome(): Promise<number> {
    if (!this.send) return 0;
    const now = this.clock.now();
    const { rows } = await this.pool.query<Claimed>(CLAIM, [new Date(now), new Date(now + LEASE_MS)]);
    await Promise.all(rows.map((mail) => this.deliver(mail)));
    return rows.length;
  }

  private async deliver(mail: Claimed): Promise<void> {
    const letter = this.open(mail);
    if (!letter) return this.settle(mail, 'failed', 'unreadable');
    if (letter.to === null) return this.settle(mail, 'dropped');
    try {
      await this.handOver({ id: mail.id, kind: mail.kind, ...letter, to: letter.to });
    } catch (error) {
      return this.recordFailure(mail, error as SendError);
    }
    return this.settle(mail, 'sent');
  }

  /** Undefined when it was encrypted with another SECRET_KEY, which nothing will mend. */
  private open(mail: Claimed): MailContent | undefined {
    try {
      return this.mails.read(mail);
    } catch {
      this.log.warn(`mail "${mail.kind}" ${mail.id} was encrypted with another SECRET_KEY: it cannot be sent`);
      return undefined;
    }
  }

  private async handOver(mail: OutgoingMail): Promise<void> {
    const file = await within(SEND_LIMIT_MS, this.send!(mail));
    if (file !== undefined) this.log.log(`mail "${mail.kind}" written to ${file}`);
  }

  private async recordFailure(mail: Claimed, error: SendError): Promise<void> {
    const reason = [error.code, error.responseCode].filter(Boolean).join(' ') || error.name;
    const next = this.clock.now() + backoff(mail.attempts);
    const isFinal = isRefused(error) || next >= mail.expires_at.getTime();
    this.log.warn(
      `mail "${mail.kind}" ${mail.id} not sent, try ${mail.attempts}${isFinal ? ', the last' : ''}: ${reason}`,
    );
    if (isFinal) return this.settle(mail, 'failed', reason);
    await this.pool.query(PUT_BACK, [mail.id, mail.attempts, new Date(next), reason]);
  }

  private async settle({ id, attempts }: Claimed, state: Mail['state'], reason: string | null = null): Promise<void> {
    await this.pool.query(SETTLE, [id, attempts, state, this.clock.date(), reason]);
  }
}

/** As nodemailer throws them; the message may hold the address, so only the codes are kept. */
type SendError = Error & { code?: string; responseCode?: number };

/**
 * The server does not want this mail, now or later (RFC 5321, section 4.2.1). A refused sign-in (EAUTH) has a 5xx, too, but
 * is the operator's to mend.
 */
const isRefused = ({ code, responseCode = 0 }: SendError): boolean =>
  (code === 'EENVELOPE' || code === 'EMESSAGE') && responseCode >= 500;

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const timeout = new AbortController();
  const late = sleep(ms, undefined, { signal: timeout.signal, ref: false }).then(() => {
    throw Object.assign(new Error('took too long'), { code: 'ETIMEDOUT' });
  });
  late.catch(() => undefined);
  return Promise.race([work, late]).finally(() => timeout.abort());
}

import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import type { Pool } from 'pg';
import { Clock } from '../common/clock.provider.js';
import { Problem } from '../http/problem.js';
import { requestContext } from '../http/request-log.js';
import { deriveKey, keyedHash } from '../common/encryption.js';
import { Config } from '../config/config.js';
import { POOL } from '../database/database.module.js';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

/** Requests of one kind that one client may make within a window of time. */
export interface Quota {
  name: string;
  quota: number;
  /** In milliseconds. */
  window: number;
}

/** Failures that cost nothing; after them every further one doubles the wait, from a second to a quarter of an hour. */
export interface Patience {
  name: string;
  free: number;
  /** After this time without a failure all are forgotten, in milliseconds. */
  memory: number;
  /** Whether a failure counts against the client's network, too. */
  isPublic: boolean;
}

/** Of somebody who is to be signed in to: by any spelling of a name, whether or not there is such a user. */
export const SIGN_IN: Patience = { name: 'sign-in', free: 5, memory: DAY, isPublic: true };
/** Of a user, on devices that show a token of an earlier session: strangers' failures do not lock them out. */
export const KNOWN_DEVICE: Patience = { name: 'known-device', free: 5, memory: DAY, isPublic: false };
/** Of a signed-in user who is asked for the password again. */
export const CURRENT_PASSWORD: Patience = { name: 'current-password', free: 5, memory: DAY, isPublic: true };
/** Of a signed-in user who turns two-step sign-in on. */
export const CONFIRMATION: Patience = { name: 'two-step-confirmation', free: 5, memory: DAY, isPublic: false };
/** Of a network. An office shares one address, and many of its people sign in at the same moment. */
const NETWORK: Patience = { name: 'network', free: 20, memory: HOUR, isPublic: false };

/** Sign-ins without a password, of one network: a mobile network holds many people. */
export const SIGN_INS: Quota = { name: 'sign-ins', quota: 300, window: 600 * SECOND };

const MAX_WAIT_SECONDS = 900;
const MAX_DOUBLINGS = 10;

/**
 * One statement, so that of many attempts at once none is decided on an old count. No row: they have to wait. An attempt
 * that costs nothing leaves no time behind: requests of one moment come to the database in any order. Nor does it renew
 * the memory of failures, since it may be none.
 */
const RESERVE = {
  name: 'limits-reserve',
  text: `insert into rate_limit_counters as l (key, count, until, seen_at) values ($1, 1, to_timestamp(0), $2)
    on conflict (key) do update set (count, until, seen_at) = (
      select n, case when n < $3 then to_timestamp(0)
          else $2 + least(2 ^ least(n - $3, ${MAX_DOUBLINGS}), ${MAX_WAIT_SECONDS}) * interval '1 second' end,
        case when l.seen_at <= $4 then $2 else l.seen_at end
      from (select case when l.seen_at <= $4 then 1 else l.count + 1 end as n) as next)
    where l.until <= $2 returning count, until`,
};

const TAKE = {
  name: 'limits-take',
  text: `insert into rate_limit_counters as l (key, count, until, seen_at) values ($1, 1, $3, $2)
    on conflict (key) do update set seen_at = $2,
      count = case when l.until <= $2 then 1 else l.count + 1 end,
      until = case when l.until <= $2 then $3 else l.until end
    where l.until <= $2 or l.count < $4 returning count, until`,
};

/** An attempt that has been counted as a failure before it is known to be one. */
export interface Attempt {
  /** True when this failure, if it is one, is the one that locks. */
  isLast: boolean;
  /** Does what was reserved for: null is a failure and stays counted, an error does not, anything else is a success. */
  of<T>(work: () => Promise<T | null>): Promise<T | null>;
}

type Row = { count: number; until: Date };

/**
 * Counts attempts and requests in the database, so that all nodes count together and a restart forgets nothing. When it
 * cannot count it refuses, like everything that needs the database.
 */
@Injectable()
export class RateLimitService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly hashKey: Buffer;
  private purging: NodeJS.Timeout | undefined;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.hashKey = deriveKey(config, 'limits');
  }

  onApplicationBootstrap(): void {
    this.purging = setInterval(() => void this.purge().catch(() => undefined), HOUR).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.purging);
  }

  /** Reserves an attempt, before anything dear is done for it. Raises `rate_limited`. */
  async attempt(patience: Patience, subject: string): Promise<Attempt> {
    if (this.config.RATE_LIMITS === 'off') return { isLast: false, of: (work) => work() };
    const network = patience.isPublic ? await this.reserve(NETWORK, clientNetwork()) : undefined;
    const own = await this.reserve(patience, subject).catch(async (error: unknown) => {
      await this.refund(network);
      throw error;
    });
    const of: Attempt['of'] = async (work) => {
      try {
        const result = await work();
        // Of its network a success takes back no more than itself, or one's own account would pay for guessing at others'.
        if (result !== null) await Promise.all([this.forget(own.key), this.refund(network)]);
        else await Promise.all([this.remember(own), this.remember(network)]);
        return result;
      } catch (error) {
        await Promise.all([this.refund(own), this.refund(network)]);
        throw error;
      }
    };
    return { isLast: own.count === patience.free, of };
  }

  /** Counts a request of this kind for the client's network, or for somebody else. Raises `rate_limited`. */
  async take({ name, quota, window }: Quota, subject = clientNetwork()): Promise<void> {
    if (this.config.RATE_LIMITS === 'off') return;
    const key = this.key(name, subject);
    const now = this.clock.now();
    const values = [key, new Date(now), new Date(now + window), quota];
    const { rows } = await this.pool.query<Row>({ ...TAKE, values });
    await this.answer({ name, quota, window }, key, rows[0]);
  }

  /** Forgets the failures of a subject. */
  async unlock({ name }: Patience, subject: string): Promise<void> {
    await this.forget(this.key(name, subject));
  }

  private async reserve({ name, free, memory }: Patience, subject: string): Promise<Row & { key: Buffer }> {
    const key = this.key(name, subject);
    const now = this.clock.now();
    const values = [key, new Date(now), free, new Date(now - memory)];
    const { rows } = await this.pool.query<Row>({ ...RESERVE, values });
    return { key, ...(await this.answer({ name, quota: free, window: memory }, key, rows[0])) };
  }

  /** Tells the client where it stands (draft-ietf-httpapi-ratelimit-headers), and refuses it when there is no row. */
  private async answer({ name, quota, window }: Quota, key: Buffer, taken: Row | undefined): Promise<Row> {
    const row = taken ?? (await this.find(key));
    const left = taken ? Math.max(0, quota - row.count) : 0;
    const seconds = Math.max(taken ? 0 : 1, Math.ceil((row.until.getTime() - this.clock.now()) / SECOND));
    const headers = {
      'ratelimit-policy': `"${name}";q=${quota};w=${window / SECOND}`,
      ratelimit: `"${name}";r=${left};t=${seconds}`,
    };
    if (!taken) throw new Problem('rate_limited', { headers: { ...headers, 'retry-after': String(seconds) } });
    const response = requestContext()?.response;
    if (response && !response.headersSent) for (const each of Object.entries(headers)) response.setHeader(...each);
    return row;
  }

  private async find(key: Buffer): Promise<Row> {
    const { rows } = await this.pool.query<Row>('select count, until from rate_limit_counters where key = $1', [key]);
    return rows[0] ?? { count: 0, until: this.clock.date() };
  }

  private async forget(key: Buffer): Promise<void> {
    await this.pool.query('delete from rate_limit_counters where key = $1', [key]);
  }

  private async remember(reserved: { key: Buffer } | undefined): Promise<void> {
    if (!reserved) return;
    await this.pool.query('update rate_limit_counters set seen_at = $2 where key = $1', [
      reserved.key,
      this.clock.date(),
    ]);
  }

  private async refund(reserved: { key: Buffer } | undefined): Promise<void> {
    if (!reserved) return;
    const text =
      'update rate_limit_counters set count = greatest(0, count - 1), until = to_timestamp(0) where key = $1';
    await this.pool.query(text, [reserved.key]);
  }

  private key(name: string, subject: string): Buffer {
    return keyedHash(this.hashKey, name, subject);
  }

  private async purge(): Promise<void> {
    const text = 'delete from rate_limit_counters where seen_at < $1 and until < $2';
    await this.pool.query(text, [new Date(this.clock.now() - DAY), this.clock.date()]);
  }
}

/** The client's IPv4 address, or the /64 of its IPv6 address, of which anyone has as many as they like. */
export function networkOf(ip: string | null): string {
  if (ip === null) return 'unknown';
  const address = ipaddr.process(ip);
  return address.kind() === 'ipv4' ? address.toString() : Buffer.from(address.toByteArray()).toString('hex', 0, 8);
}

const clientNetwork = (): string => networkOf(requestContext()?.ip ?? null);

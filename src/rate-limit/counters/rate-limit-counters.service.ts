import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import type { Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { deriveKey, keyedHash } from '../../common/keys/encryption.js';
import { Config } from '../../config/config.js';
import { POOL } from '../../database/connections/pool.js';
import type { BackoffPolicy } from '../backoff-policies.js';
import { RateLimitCounter } from './rate-limit-counter.entity.js';

const MAX_WAIT_SECONDS = 900;
const MAX_DOUBLINGS = 10;

/**
 * Counts an attempt of a backoff policy. $1 key, $2 now, $3 free attempts, $4 failures before this time are ignored. One
 * statement, so that none of many concurrent attempts is decided on an outdated count. No row: the subject has to wait.
 * A free attempt leaves `until` in the past, because concurrent requests reach the database in any order. It does not
 * renew `seen_at` either, because it may turn out to be no failure.
 */
const RESERVE = {
  name: 'rate-limit-reserve',
  text: `insert into rate_limit_counters as l (key, count, until, seen_at) values ($1, 1, to_timestamp(0), $2)
    on conflict (key) do update set (count, until, seen_at) = (
      select n, case when n < $3 then to_timestamp(0)
          else $2 + least(2 ^ least(n - $3, ${MAX_DOUBLINGS}), ${MAX_WAIT_SECONDS}) * interval '1 second' end,
        case when l.seen_at <= $4 then $2 else l.seen_at end
      from (select case when l.seen_at <= $4 then 1 else l.count + 1 end as n) as next)
    where l.until <= $2 returning count, until`,
};

/** Counts a request of a quota. $1 key, $2 now, $3 end of a window that starts now, $4 limit. No row: none is left. */
const CONSUME = {
  name: 'rate-limit-consume',
  text: `insert into rate_limit_counters as l (key, count, until, seen_at) values ($1, 1, $3, $2)
    on conflict (key) do update set seen_at = $2,
      count = case when l.until <= $2 then 1 else l.count + 1 end,
      until = case when l.until <= $2 then $3 else l.until end
    where l.until <= $2 or l.count < $4 returning count, until`,
};

/** Takes one request of a quota back, in the window that it was counted in. */
const REFUND = 'update rate_limit_counters set count = greatest(0, count - 1) where key = $1';

const DECREMENT =
  'update rate_limit_counters set count = greatest(0, count - 1), until = to_timestamp(0) where key = $1';

type Row = { count: number; until: Date };

/** A counter after an attempt or a request was counted, or refused. */
export interface Counter extends Row {
  key: Buffer;
  isAllowed: boolean;
}

/** The table `rate_limit_counters`: all nodes count together, and counts survive a restart of the application. */
@Injectable()
export class RateLimitCountersService {
  private readonly hashKey: Buffer;

  constructor(
    @InjectRepository(RateLimitCounter) private readonly counters: Repository<RateLimitCounter>,
    @Inject(POOL) private readonly pool: Pool,
    config: Config,
    private readonly clock: Clock,
  ) {
    this.hashKey = deriveKey(config.SECRET_KEY, 'limits');
  }

  /** The key of a counter: a keyed hash, because users type passwords into the field of the login by mistake. */
  key(...parts: string[]): Buffer {
    return keyedHash(this.hashKey, ...parts);
  }

  /** Counts an attempt, unless the subject has to wait. */
  reserve(key: Buffer, { freeAttempts, resetAfterMs }: BackoffPolicy): Promise<Counter> {
    const now = this.clock.now();
    return this.count(RESERVE, key, [new Date(now), freeAttempts, new Date(now - resetAfterMs)]);
  }

  /** Counts a request, unless the quota is used up. */
  consume(key: Buffer, limit: number, windowMs: number): Promise<Counter> {
    const now = this.clock.now();
    return this.count(CONSUME, key, [new Date(now), new Date(now + windowMs), limit]);
  }

  /** Sets the counter back to zero. */
  async delete(key: Buffer): Promise<void> {
    await this.counters.delete({ key });
  }

  /** Starts the time again after which the count is forgotten. */
  async renew(key: Buffer): Promise<void> {
    await this.counters.update({ key }, { seen_at: this.clock.date() });
  }

  /** Takes one attempt back and ends the waiting time that it caused. */
  async decrement(key: Buffer): Promise<void> {
    await this.pool.query(DECREMENT, [key]);
  }

  /** Takes one request of a quota back. */
  async refund(key: Buffer): Promise<void> {
    await this.pool.query(REFUND, [key]);
  }

  private async count(statement: typeof RESERVE, key: Buffer, values: unknown[]): Promise<Counter> {
    const { rows } = await this.pool.query<Row>({ ...statement, values: [key, ...values] });
    if (rows[0]) return { key, isAllowed: true, ...rows[0] };
    const row = await this.counters.findOneBy({ key });
    return { key, isAllowed: false, count: row?.count ?? 0, until: row?.until ?? this.clock.date() };
  }
}

import { Injectable } from '@nestjs/common';
import type { ThrottlerStorage } from '@nestjs/throttler';
import { Clock } from '../../common/clock.provider.js';
import { RateLimitCountersService } from './rate-limit-counters.service.js';

type ThrottlerRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/** Where `@nestjs/throttler` counts: in PostgreSQL. A request beyond the limit is blocked until the window ends. */
@Injectable()
export class RateLimitStorageService implements ThrottlerStorage {
  constructor(
    private readonly counters: RateLimitCountersService,
    private readonly clock: Clock,
  ) {}

  /** Counts one request. `ttl` is in milliseconds; the times of the result are in seconds. */
  async increment(key: string, ttl: number, limit: number): Promise<ThrottlerRecord> {
    const { count, isAllowed, until } = await this.counters.consume(this.counters.key(key), limit, ttl);
    return toRecord(count, isAllowed, until.getTime() - this.clock.now());
  }

  /** Takes all requests back. */
  reset(key: string): Promise<void> {
    return this.counters.delete(this.counters.key(key));
  }

  /** Takes one request back. The window stays. */
  decrement(key: string): Promise<void> {
    return this.counters.refund(this.counters.key(key));
  }
}

/** The record of `@nestjs/throttler` for a count; `remainingMs` is the time until the window ends. */
export function toRecord(totalHits: number, isAllowed: boolean, remainingMs: number): ThrottlerRecord {
  const timeToExpire = Math.max(isAllowed ? 0 : 1, Math.ceil(remainingMs / 1000));
  return { totalHits, timeToExpire, isBlocked: !isAllowed, timeToBlockExpire: isAllowed ? 0 : timeToExpire };
}

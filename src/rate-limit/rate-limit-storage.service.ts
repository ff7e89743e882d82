import { Injectable } from '@nestjs/common';
import type { ThrottlerStorage } from '@nestjs/throttler';
import { Clock } from '../common/clock.provider.js';
import { NetworkRequestCounts } from './network-request-counts.js';
import { RateLimitCountersService } from './rate-limit-counters.service.js';

/** The two throttlers: the limit of all routes, counted in memory, and quotas of single routes, counted in PostgreSQL. */
export const DEFAULT_THROTTLER = 'default';
export const QUOTA_THROTTLER = 'quota';

type ThrottlerRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/** Where `@nestjs/throttler` counts. A request beyond the limit is not counted, and is blocked until the window ends. */
@Injectable()
export class RateLimitStorageService implements ThrottlerStorage {
  private readonly requests = new NetworkRequestCounts();

  constructor(
    private readonly counters: RateLimitCountersService,
    private readonly clock: Clock,
  ) {}

  /** Counts one request. `ttl` is in milliseconds; the times of the result are in seconds. */
  async increment(key: string, ttl: number, limit: number, _: number, throttler: string): Promise<ThrottlerRecord> {
    const now = this.clock.now();
    if (throttler === DEFAULT_THROTTLER) {
      const { count, windowEnd } = this.requests.increment(key, now, ttl);
      return toRecord(count, count <= limit, windowEnd - now);
    }
    const { count, isAllowed, until } = await this.counters.consume(this.counters.key(key), limit, ttl);
    return toRecord(count, isAllowed, until.getTime() - now);
  }
}

function toRecord(totalHits: number, isAllowed: boolean, remainingMs: number): ThrottlerRecord {
  const timeToExpire = Math.max(isAllowed ? 0 : 1, Math.ceil(remainingMs / 1000));
  return { totalHits, timeToExpire, isBlocked: !isAllowed, timeToBlockExpire: isAllowed ? 0 : timeToExpire };
}

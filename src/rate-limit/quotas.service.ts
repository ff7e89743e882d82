import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.provider.js';
import { Config } from '../config/config.js';
import { clientNetworks } from './client-network.js';
import { type Quota, quotaKey, requestsQuota } from './quotas.js';
import { sendQuotaHeaders } from './rate-limit-headers.js';
import { RateLimitMetricsService } from './rate-limit-metrics.service.js';
import { RateLimitStorageService, toRecord } from './counters/rate-limit-storage.service.js';
import { RequestCountsService } from './counters/request-counts.service.js';

/** Takes a counted request back. */
export type Refund = () => Promise<void>;

/**
 * Counts requests in the middle of a service, where `@RateLimit` on the route cannot: when the subject is a user, or when
 * only some requests of a route count.
 */
@Injectable()
export class QuotasService {
  constructor(
    private readonly storage: RateLimitStorageService,
    private readonly requestCounts: RequestCountsService,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly metrics: RateLimitMetricsService,
  ) {}

  /**
   * Counts one request of the subject in memory only, for requests that must write nothing when they are
   * refused. Throws `rate_limited`.
   */
  consumeInMemory(quota: Quota, subject: string): void {
    if (this.config.RATE_LIMITS === 'off') return;
    const now = this.clock.now();
    const { count, windowEnd } = this.requestCounts.of(quota.name).increment(subject, now, quota.windowMs);
    if (count > quota.limit) this.metrics.countRefusal(quota);
    sendQuotaHeaders(quota, toRecord(count, count <= quota.limit, windowEnd - now));
  }

  /**
   * Counts a request against the limit of all routes, in memory, under each network of the client. Headers are sent only when
   * the limit is reached. Throws `rate_limited`.
   */
  consumeRequest(networks = clientNetworks()): void {
    if (this.config.RATE_LIMITS === 'off') return;
    const quota = requestsQuota(this.config.MAX_REQUESTS_PER_MINUTE);
    const counts = this.requestCounts.of(quota.name);
    const now = this.clock.now();
    for (const { key, scale } of networks) {
      const limit = quota.limit * scale;
      const { count, windowEnd } = counts.increment(key, now, quota.windowMs);
      if (count <= limit) continue;
      this.metrics.countRefusal(quota);
      sendQuotaHeaders({ ...quota, limit }, toRecord(count, false, windowEnd - now)); // throws
    }
  }

  /**
   * Counts one request of the subject, by default each of the client's networks. Returns a function that takes the request back.
   * Throws `rate_limited` when none is left.
   */
  consume(quota: Quota, subject?: string): Promise<Refund> {
    return this.count(quota, subject, sendQuotaHeaders);
  }

  /** As `consume`, without headers in the response. */
  reserve(quota: Quota, subject?: string): Promise<Refund> {
    return this.count(quota, subject);
  }

  /** Forgets the requests of a subject. */
  reset(quota: Quota, subject: string): Promise<void> {
    return this.storage.reset(quotaKey(quota, subject));
  }

  private async count(quota: Quota, subject?: string, sendHeaders?: typeof sendQuotaHeaders): Promise<Refund> {
    const counted: string[] = [];
    const refund = async (): Promise<void> => {
      for (const key of counted) await this.storage.decrement(key);
    };
    if (this.config.RATE_LIMITS === 'off') return refund;
    const subjects = subject === undefined ? clientNetworks() : [{ key: subject, scale: 1 }];
    for (const { key: name, scale } of subjects) {
      const scaled = { ...quota, limit: quota.limit * scale };
      const key = quotaKey(quota, name);
      const record = await this.storage.increment(key, quota.windowMs, scaled.limit);
      if (record.isBlocked) {
        await refund();
        this.metrics.countRefusal(quota);
        sendQuotaHeaders(scaled, record); // throws
      }
      if (counted.length === 0) sendHeaders?.(scaled, record);
      counted.push(key);
    }
    return refund;
  }
}

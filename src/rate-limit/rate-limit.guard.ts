import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerModuleOptions, type ThrottlerRequest } from '@nestjs/throttler';
import { Clock } from '../common/clock.provider.js';
import { Config } from '../config/config.js';
import { clientNetworks } from './client-network.js';
import { RequestCountsService } from './counters/request-counts.service.js';
import { requestsQuota } from './quotas.js';
import { QuotasService } from './quotas.service.js';
import { sendQuotaHeaders } from './rate-limit-headers.js';
import { RateLimitMetricsService } from './rate-limit-metrics.service.js';
import { type RateLimitStorageService, toRecord } from './counters/rate-limit-storage.service.js';
import { quotaOf, SkipRequestLimit } from './rate-limit.decorator.js';

/** For `@nestjs/throttler`: it counts the quota that a route declares with `@RateLimit`. */
export const throttlerOptions = (storage: RateLimitStorageService): ThrottlerModuleOptions => ({
  storage,
  throttlers: [
    {
      limit: (context) => quotaOf(context)!.limit,
      ttl: (context) => quotaOf(context)!.windowMs,
    },
  ],
});

/**
 * Limits the requests of a client's network, before the guards that cost more: all requests, and the requests to a route
 * with a quota. Throws `rate_limited`.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  @Inject(Config) private readonly config: Config;
  @Inject(Clock) private readonly clock: Clock;
  @Inject(QuotasService) private readonly quotas: QuotasService;
  @Inject(RequestCountsService) private readonly requestCounts: RequestCountsService;
  @Inject(RateLimitMetricsService) private readonly metrics: RateLimitMetricsService;

  /** Most routes have no quota: they skip the package, which costs a short request a measurable part of its time. */
  protected override async shouldSkip(context: ExecutionContext): Promise<boolean> {
    if (this.config.RATE_LIMITS === 'off' || context.getType() !== 'http') return true;
    if (!this.reflector.get(SkipRequestLimit, context.getClass())) this.countRequest();
    return quotaOf(context) === undefined;
  }

  /** Counts under each network of the client, with our headers and exception. */
  protected override async handleRequest({ context }: ThrottlerRequest): Promise<boolean> {
    await this.quotas.consume(quotaOf(context)!);
    return true;
  }

  /** Counts a request against the limit of all routes. Headers are sent only when the limit is reached. */
  private countRequest(): void {
    const quota = requestsQuota(this.config.MAX_REQUESTS_PER_MINUTE);
    const counts = this.requestCounts.of(quota.name);
    const now = this.clock.now();
    for (const { key, scale } of clientNetworks()) {
      const limit = quota.limit * scale;
      const { count, windowEnd } = counts.increment(key, now, quota.windowMs);
      if (count <= limit) continue;
      this.metrics.countRefusal(quota);
      sendQuotaHeaders({ ...quota, limit }, toRecord(count, false, windowEnd - now)); // throws
    }
  }
}

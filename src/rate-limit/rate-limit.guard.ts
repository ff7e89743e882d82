import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerModuleOptions, type ThrottlerRequest } from '@nestjs/throttler';
import { Config } from '../config/config.js';
import { clientNetwork } from './client-network.js';
import { type Quota, quotaKey, requestsQuota } from './quotas.js';
import { sendQuotaHeaders } from './rate-limit-headers.js';
import { DEFAULT_THROTTLER, QUOTA_THROTTLER, type RateLimitStorageService } from './rate-limit-storage.service.js';
import { quotaOf } from './rate-limit.decorator.js';

/** For `@nestjs/throttler`: the limit on all requests, and the quota that a route declares with `@RateLimit`. */
export const throttlerOptions = (config: Config, storage: RateLimitStorageService): ThrottlerModuleOptions => ({
  storage,
  getTracker: clientNetwork,
  throttlers: [
    {
      name: DEFAULT_THROTTLER,
      limit: config.MAX_REQUESTS_PER_MINUTE,
      ttl: requestsQuota(config.MAX_REQUESTS_PER_MINUTE).windowMs,
      generateKey: (_, network) => network,
    },
    {
      name: QUOTA_THROTTLER,
      skipIf: (context) => quotaOf(context) === undefined,
      limit: (context) => quotaOf(context)!.limit,
      ttl: (context) => quotaOf(context)!.windowMs,
      generateKey: (context, network) => quotaKey(quotaOf(context)!, network),
    },
  ],
});

/**
 * Limits the requests of a client's network, before the guards that cost more. `@SkipThrottle()` exempts a route from
 * the limit on all requests. Throws `rate_limited`.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  @Inject(Config) private readonly config: Config;

  protected override async shouldSkip(context: ExecutionContext): Promise<boolean> {
    return this.config.RATE_LIMITS === 'off' || context.getType() !== 'http';
  }

  /** Replaces the headers and the exception of the package by ours. Only quotas send headers with every response. */
  protected override async handleRequest(props: ThrottlerRequest): Promise<boolean> {
    const { context, limit, ttl, throttler, getTracker, generateKey } = props;
    const name = throttler.name ?? DEFAULT_THROTTLER;
    const key = generateKey(context, await getTracker({}, context), name);
    const record = await this.storageService.increment(key, ttl, limit, ttl, name);
    const quota: Quota | undefined = name === QUOTA_THROTTLER ? quotaOf(context) : undefined;
    if (quota || record.isBlocked) sendQuotaHeaders(quota ?? requestsQuota(limit), record);
    return true;
  }
}

import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerModuleOptions, type ThrottlerRequest } from '@nestjs/throttler';
import { Config } from '../config/config.js';
import { QuotasService } from './quotas.service.js';
import type { RateLimitStorageService } from './counters/rate-limit-storage.service.js';
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
  @Inject(QuotasService) private readonly quotas: QuotasService;

  /** Most routes have no quota: they skip the package, which costs a short request a measurable part of its time. */
  protected override async shouldSkip(context: ExecutionContext): Promise<boolean> {
    if (this.config.RATE_LIMITS === 'off' || context.getType() !== 'http') return true;
    if (!this.reflector.get(SkipRequestLimit, context.getClass())) this.quotas.consumeRequest();
    return quotaOf(context) === undefined;
  }

  /** Counts under each network of the client, with our headers and exception. */
  protected override async handleRequest({ context }: ThrottlerRequest): Promise<boolean> {
    await this.quotas.consume(quotaOf(context)!);
    return true;
  }
}

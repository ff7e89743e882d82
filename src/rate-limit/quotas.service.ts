import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { clientNetwork } from './client-network.js';
import { type Quota, quotaKey } from './quotas.js';
import { sendQuotaHeaders } from './rate-limit-headers.js';
import { RateLimitStorageService } from './rate-limit-storage.service.js';

/**
 * Counts requests in the middle of a service, where `@RateLimit` on the route cannot: when the subject is a user, or when
 * only some requests of a route count.
 */
@Injectable()
export class QuotasService {
  constructor(
    private readonly storage: RateLimitStorageService,
    private readonly config: Config,
  ) {}

  /** Counts one request of the subject, by default the client's network. Throws `rate_limited` when none is left. */
  async consume(quota: Quota, subject = clientNetwork()): Promise<void> {
    if (this.config.RATE_LIMITS === 'off') return;
    const { limit, windowMs } = quota;
    const record = await this.storage.increment(quotaKey(quota, subject), windowMs, limit);
    sendQuotaHeaders(quota, record);
  }
}

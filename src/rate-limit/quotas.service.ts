import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.provider.js';
import { Config } from '../config/config.js';
import { clientNetwork } from './client-network.js';
import type { Quota } from './quotas.js';
import { rateLimited, sendRateLimitHeaders } from './rate-limit-headers.js';
import { RateLimitCountersService } from './rate-limit-counters.service.js';

/** Limits how many requests of one kind a subject may make. Counts in the database. */
@Injectable()
export class QuotasService {
  constructor(
    private readonly counters: RateLimitCountersService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** Counts one request of the subject, by default the client's network. Throws `rate_limited` when none is left. */
  async consume(quota: Quota, subject = clientNetwork()): Promise<void> {
    if (this.config.RATE_LIMITS === 'off') return;
    const counter = await this.counters.consume(this.counters.key(quota.name, subject), quota);
    const seconds = Math.ceil((counter.until.getTime() - this.clock.now()) / 1000);
    const state = { name: quota.name, limit: quota.limit, windowSeconds: quota.windowMs / 1000 };
    if (!counter.isAllowed) throw rateLimited({ ...state, remaining: 0, resetSeconds: Math.max(1, seconds) });
    const remaining = Math.max(0, quota.limit - counter.count);
    sendRateLimitHeaders({ ...state, remaining, resetSeconds: Math.max(0, seconds) });
  }
}

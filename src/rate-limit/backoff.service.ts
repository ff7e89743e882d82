import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.provider.js';
import { Config } from '../config/config.js';
import { type BackoffPolicy, NETWORK_BACKOFF } from './backoff-policies.js';
import { clientNetworks } from './client-network.js';
import { rateLimited, sendRateLimitHeaders } from './rate-limit-headers.js';
import { RateLimitMetricsService } from './rate-limit-metrics.service.js';
import { type Counter, RateLimitCountersService } from './counters/rate-limit-counters.service.js';

/** An attempt that is counted as a failure until its result is known: call exactly one of succeed, fail and release. */
export class BackoffAttempt {
  constructor(
    /** If this attempt fails, the next one has to wait for the first time. */
    readonly isLockingFailure: boolean,
    private readonly counters: RateLimitCountersService,
    /** Undefined when rate limits are off. */
    private readonly ownKey?: Buffer,
    private readonly networkKeys: Buffer[] = [],
  ) {}

  /**
   * The attempt succeeded: deletes the failures of the subject and takes this attempt back from the network's count. The
   * network's other failures stay, or a guesser could reset them by signing in to an account of their own.
   */
  async succeed(): Promise<void> {
    if (this.ownKey) await this.counters.delete(this.ownKey);
    for (const key of this.networkKeys) await this.counters.decrement(key);
  }

  /** The attempt failed: keeps it counted. */
  async fail(): Promise<void> {
    for (const key of this.keys) await this.counters.renew(key);
  }

  /** The attempt ended without a result: takes it back. */
  async release(): Promise<void> {
    for (const key of this.keys) await this.counters.decrement(key);
  }

  /** Waits for the check that the attempt was reserved for, and releases the attempt if the check throws. */
  async releaseOnError<T>(check: Promise<T>): Promise<T> {
    try {
      return await check;
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  private get keys(): Buffer[] {
    return this.ownKey ? [this.ownKey, ...this.networkKeys] : [];
  }
}

/** Slows down guessing of passwords and codes. Counts in the database; without the database every attempt is refused. */
@Injectable()
export class BackoffService {
  constructor(
    private readonly counters: RateLimitCountersService,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly metrics: RateLimitMetricsService,
  ) {}

  /** Counts an attempt before the expensive check runs. Throws `rate_limited` while the subject has to wait. */
  async reserve(policy: BackoffPolicy, subject: string): Promise<BackoffAttempt> {
    if (this.config.RATE_LIMITS === 'off') return new BackoffAttempt(false, this.counters);
    const networkKeys: Buffer[] = [];
    try {
      for (const { key, scale } of policy.countsPerNetwork ? clientNetworks() : []) {
        const ofNetwork = { ...NETWORK_BACKOFF, freeAttempts: NETWORK_BACKOFF.freeAttempts * scale };
        networkKeys.push((await this.count(ofNetwork, key)).key);
      }
      const own = await this.count(policy, subject);
      return new BackoffAttempt(own.count === policy.freeAttempts, this.counters, own.key, networkKeys);
    } catch (error) {
      for (const key of networkKeys) await this.counters.decrement(key);
      throw error;
    }
  }

  /** Deletes the failures of a subject. */
  async reset({ name }: BackoffPolicy, subject: string): Promise<void> {
    await this.counters.delete(this.counters.key(name, subject));
  }

  private async count(policy: BackoffPolicy, subject: string): Promise<Counter> {
    const counter = await this.counters.reserve(this.counters.key(policy.name, subject), policy);
    const seconds = Math.ceil((counter.until.getTime() - this.clock.now()) / 1000);
    const state = { name: policy.name, limit: policy.freeAttempts, windowSeconds: policy.resetAfterMs / 1000 };
    if (!counter.isAllowed) {
      this.metrics.countRefusal(policy);
      throw rateLimited({ ...state, remaining: 0, resetSeconds: Math.max(1, seconds) });
    }
    const remaining = Math.max(0, policy.freeAttempts - counter.count);
    sendRateLimitHeaders({ ...state, remaining, resetSeconds: Math.max(0, seconds) });
    return counter;
  }
}

import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { Clock } from '../../common/clock.provider.js';
import { fetchJson, isSafeUrl } from '../../common/http-client/http-client.js';
import { type Problem, unavailable } from '../../http/problems/problem.js';

/** How long fetched keys are used: a key that the issuer withdraws is refused after this time. */
const KEY_LIFETIME_MS = 10 * 60_000;
/** Minimum interval between fetches caused by unknown key ids, which anyone can send. */
const UNKNOWN_KEY_INTERVAL_MS = 60_000;
/** Minimum interval between attempts while the issuer fails. */
const RETRY_INTERVAL_MS = 10_000;

type KeyLookup = ReturnType<typeof createLocalJWKSet>;

/**
 * The keys of one issuer, found by OpenID Connect Discovery and cached. Concurrent callers share one request. Both methods
 * throw `identity_provider_unavailable` when the issuer fails.
 */
export class OidcKeySet {
  private keys: KeyLookup | undefined;
  private fetchedAt = -Infinity;
  private attemptedAt = -Infinity;
  /** The error of the last attempt; undefined after a success. */
  private failure: unknown;
  private fetching: Promise<void> | undefined;

  constructor(
    private readonly issuer: string,
    private readonly isProduction: boolean,
    private readonly clock: Clock,
  ) {}

  /** Returns the cached keys, or fetches them if they are too old. */
  async get(): Promise<KeyLookup> {
    if (this.remaining(this.fetchedAt, KEY_LIFETIME_MS) === 0) {
      this.assertNotFailing(this.remaining(this.attemptedAt, RETRY_INTERVAL_MS));
      await this.fetchOnce(RETRY_INTERVAL_MS);
    }
    return this.keys!;
  }

  /** Fetches the keys again if a key id is unknown, but not within the minimum interval. */
  async refresh(): Promise<KeyLookup> {
    const remaining = this.remaining(this.attemptedAt, UNKNOWN_KEY_INTERVAL_MS);
    this.assertNotFailing(remaining);
    if (remaining === 0 || this.fetching) await this.fetchOnce(UNKNOWN_KEY_INTERVAL_MS);
    return this.keys!;
  }

  private assertNotFailing(remaining: number): void {
    if (!this.fetching && remaining > 0 && this.failure !== undefined) throw this.unavailable(remaining);
  }

  private async fetchOnce(retryAfterMs: number): Promise<void> {
    await (this.fetching ??= this.fetch().finally(() => (this.fetching = undefined)));
    if (this.failure !== undefined) throw this.unavailable(retryAfterMs);
  }

  private async fetch(): Promise<void> {
    this.attemptedAt = this.clock.now();
    try {
      this.keys = createLocalJWKSet((await fetchJson(await this.discoverJwksUri())) as JSONWebKeySet);
      this.fetchedAt = this.attemptedAt;
      this.failure = undefined;
    } catch (error) {
      this.failure = error;
    }
  }

  /** OpenID Connect Discovery, section 4. */
  private async discoverJwksUri(): Promise<string> {
    const document = await fetchJson(`${this.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    const { issuer, jwks_uri } = document as { issuer?: unknown; jwks_uri?: unknown };
    if (issuer !== this.issuer) throw new Error(`The discovery document of ${this.issuer} names another issuer`);
    if (typeof jwks_uri !== 'string' || !isSafeUrl(jwks_uri, this.isProduction)) {
      throw new Error(`The discovery document of ${this.issuer} has no safe jwks_uri`);
    }
    return jwks_uri;
  }

  /** What remains of an interval in milliseconds; 0 if the clock was set back. */
  private remaining(start: number, interval: number): number {
    const elapsed = this.clock.now() - start;
    return elapsed < 0 ? 0 : Math.max(0, interval - elapsed);
  }

  private unavailable(retryAfterMs: number): Problem {
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    return unavailable('identity_provider_unavailable', this.failure, seconds);
  }
}

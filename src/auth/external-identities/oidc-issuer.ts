import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../../common/clock.provider.js';
import { fetchJson, isSafeUrl } from '../../common/http-client.js';
import { type Problem, tokenProblem, unavailable } from '../../http/problem.js';
import type { Config } from '../../config/config.js';
import { ALGORITHMS } from './oidc-token.js';

/** How far the clocks of an issuer and ours may be apart, in seconds. */
export const LEEWAY = 60;
/** How long keys count without asking again: a key that an issuer has withdrawn is refused from then on. */
const FRESH_MS = 10 * 60_000;
/** How often strangers can make us ask by naming keys that do not exist. */
const UNKNOWN_KEY_MS = 60_000;
/** How long an issuer that did not answer is left alone. */
const RETRY_MS = 10_000;

/** One issuer: its keys, found by OpenID discovery and kept for a while, and what they have signed. */
export class OidcIssuer {
  private keys: ReturnType<typeof createLocalJWKSet> | undefined;
  private fetchedAt = -Infinity;
  private askedAt = -Infinity;
  /** Why the last attempt came to nothing. */
  private failure: unknown;
  private pending: Promise<void> | undefined;

  constructor(
    readonly url: string,
    private readonly config: Pick<Config, 'OIDC_AUDIENCE' | 'isProduction'>,
    private readonly clock: Clock,
  ) {}

  /** The claims of a token of this issuer for us. Raises `invalid_token`, `token_expired`, `identity_provider_unavailable`. */
  async verify(token: string): Promise<JWTPayload> {
    if (this.left(this.fetchedAt, FRESH_MS) === 0) await this.ask(RETRY_MS, true);
    try {
      return await this.check(token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw refusal(error);
      await this.ask(UNKNOWN_KEY_MS, false);
    }
    return this.check(token).catch((error: unknown) => {
      throw refusal(error);
    });
  }

  private async check(token: string): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, this.keys!, {
      algorithms: ALGORITHMS,
      issuer: this.url,
      audience: this.config.OIDC_AUDIENCE,
      requiredClaims: ['sub', 'exp'],
      clockTolerance: LEEWAY,
      currentDate: this.clock.date(),
    });
    return payload;
  }

  /** Fetches the keys, once for all who wait for them; not again within `pauseMs`. */
  private async ask(pauseMs: number, isNeeded: boolean): Promise<void> {
    const left = this.left(this.askedAt, pauseMs);
    if (this.pending === undefined && left > 0) {
      if (this.failure !== undefined) throw this.unavailable(left);
      if (!isNeeded) return;
    }
    await (this.pending ??= this.fetch().finally(() => (this.pending = undefined)));
    if (this.failure !== undefined) throw this.unavailable(pauseMs);
  }

  private async fetch(): Promise<void> {
    this.askedAt = this.clock.now();
    try {
      this.keys = createLocalJWKSet((await fetchJson(await this.discover())) as JSONWebKeySet);
      this.fetchedAt = this.askedAt;
      this.failure = undefined;
    } catch (error) {
      this.failure = error;
    }
  }

  /** Where the keys are. OpenID Connect Discovery, section 4. */
  private async discover(): Promise<string> {
    const document = await fetchJson(`${this.url.replace(/\/$/, '')}/.well-known/openid-configuration`);
    const { issuer, jwks_uri } = document as { issuer?: unknown; jwks_uri?: unknown };
    if (issuer !== this.url) throw new Error(`${this.url} says that it is another issuer`);
    if (typeof jwks_uri !== 'string' || !isSafeUrl(jwks_uri, this.config.isProduction)) {
      throw new Error(`${this.url} has its keys where they cannot be trusted`);
    }
    return jwks_uri;
  }

  /** How much is left of a span that began then; nothing where the clock has been set back. */
  private left(since: number, span: number): number {
    const age = this.clock.now() - since;
    return age < 0 ? 0 : Math.max(0, span - age);
  }

  private unavailable(waitMs: number): Problem {
    return unavailable('identity_provider_unavailable', this.failure, Math.max(1, Math.ceil(waitMs / 1000)));
  }
}

const refusal = (error: unknown): Problem =>
  tokenProblem(error instanceof errors.JWTExpired ? 'token_expired' : 'invalid_token', error);

import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../../common/clock.provider.js';
import type { Config } from '../../config/config.js';
import { type Problem, tokenProblem } from '../../http/problems/problem.js';
import { OidcKeySet } from './oidc-key-set.js';
import { ALGORITHMS } from './oidc-token.js';

/** Accepted difference between the issuer's clock and ours, in seconds. */
export const LEEWAY = 60;

/** Limits the signature checks of one token: each key that fits the token costs one. */
const MAX_KEYS_TRIED = 10;

/** Verifies the tokens of one issuer. */
export class OidcIssuer {
  private readonly keys: OidcKeySet;

  constructor(
    readonly url: string,
    private readonly config: Pick<Config, 'OIDC_AUDIENCE' | 'isProduction'>,
    private readonly clock: Clock,
  ) {
    this.keys = new OidcKeySet(url, config.isProduction, clock);
  }

  /** Returns the claims of a valid token. Throws `invalid_token`, `token_expired`, `identity_provider_unavailable`. */
  async verify(token: string): Promise<JWTPayload> {
    const keys = await this.keys.get();
    try {
      return await this.verifyWith(keys, token);
    } catch (error) {
      if (!isUnknownKey(error, token)) throw refusal(error);
    }
    const refreshed = await this.keys.refresh();
    return this.verifyWith(refreshed, token).catch((error: unknown) => {
      throw refusal(error);
    });
  }

  /** Tries each key when several fit the token, because they have one key id or none. */
  private async verifyWith(keys: JWTVerifyGetKey, token: string): Promise<JWTPayload> {
    try {
      return await this.verifyWithKey(keys, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      return this.verifyWithAny(error, token);
    }
  }

  private async verifyWithAny(keys: errors.JWKSMultipleMatchingKeys, token: string): Promise<JWTPayload> {
    let [tried, failure]: [number, unknown] = [0, new errors.JWKSNoMatchingKey()];
    for await (const key of keys) {
      if (++tried > MAX_KEYS_TRIED) break;
      try {
        return await this.verifyWithKey(() => key, token);
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  private async verifyWithKey(keys: JWTVerifyGetKey, token: string): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      issuer: this.url,
      audience: this.config.OIDC_AUDIENCE,
      requiredClaims: ['sub', 'exp'],
      clockTolerance: LEEWAY,
      currentDate: this.clock.date(),
    });
    return payload;
  }
}

/** Whether the key that signed the token may be a new one: a key without an id can be replaced by another one. */
const isUnknownKey = (error: unknown, token: string): boolean =>
  error instanceof errors.JWKSNoMatchingKey ||
  (error instanceof errors.JWSSignatureVerificationFailed && decodeProtectedHeader(token).kid === undefined);

const refusal = (error: unknown): Problem =>
  tokenProblem(error instanceof errors.JWTExpired ? 'token_expired' : 'invalid_token', error);

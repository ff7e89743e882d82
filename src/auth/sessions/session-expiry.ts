import { COMPAT_SYSTEMS, type CompatSystem } from '../../config/compat-systems.js';
import type { Config } from '../../config/config.js';

/** The times that decide whether a session has expired, as parameters of SQL. */
export interface ExpiryLimits {
  now: Date;
  /** Refresh tokens that were issued then, or earlier, have expired. */
  oldestRefresh: Date;
  /** The same for identity tokens, by the system that opened the session, as JSON. */
  oldestIdentities: string;
}

/** SQL: the session has reached its end. Null if it has none. The argument is the parameter for `now`. */
export const hasReachedEnd = (now: string): string => `expires_at <= ${now}`;
/**
 * SQL: all tokens of the session have expired. The newest refresh token was issued at `issued_at`, the newest identity token
 * at `last_used_at`, because it may be renewed without rotation. The arguments are the parameters for the limits.
 */
export const hasNoToken = (oldestRefresh: string, oldestIdentities: string): string =>
  `issued_at <= ${oldestRefresh} and last_used_at <=
    (cast(${oldestIdentities} as jsonb) ->> coalesce(compat_system, 'none'))::timestamptz`;

/** The limits at a time in ms. */
export function expiryLimits(config: Config, now: number): ExpiryLimits {
  const before = (lifetime: number): Date => new Date(lifetime === Infinity ? 0 : now - lifetime);
  const oldestOf = (system: CompatSystem | null): Date => before(config.identityLifetime(system));
  const ofSystems = COMPAT_SYSTEMS.map((system) => [system, oldestOf(system)]);
  return {
    now: new Date(now),
    oldestRefresh: before(config.REFRESH_TOKEN_TTL),
    oldestIdentities: JSON.stringify({ none: oldestOf(null), ...Object.fromEntries(ofSystems) }),
  };
}

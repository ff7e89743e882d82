const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A progressive delay: each failure after the free ones doubles the waiting time, from 1 second up to 15 minutes. */
export interface BackoffPolicy {
  /** Sent to clients in the `RateLimit` headers. */
  name: string;
  freeAttempts: number;
  /** The count starts again after this time without a failure. */
  resetAfterMs: number;
  /** Whether a failure also counts under NETWORK_BACKOFF for the client's network. */
  countsPerNetwork: boolean;
}

/** Password sign-ins. Subject: the normalised login, whether or not a user has it. */
export const LOGIN_BACKOFF: BackoffPolicy = {
  name: 'sign-in',
  freeAttempts: 5,
  resetAfterMs: DAY_MS,
  countsPerNetwork: true,
};

/**
 * Password sign-ins from a device that presents a token of an earlier session. Subject: the user id. Counted apart from
 * LOGIN_BACKOFF, so that failures of attackers do not lock the user out.
 */
export const KNOWN_DEVICE_BACKOFF: BackoffPolicy = {
  name: 'known-device',
  freeAttempts: 5,
  resetAfterMs: DAY_MS,
  countsPerNetwork: false,
};

/** Checks of the current password of a signed-in user. Subject: the user id. */
export const CURRENT_PASSWORD_BACKOFF: BackoffPolicy = {
  name: 'current-password',
  freeAttempts: 5,
  resetAfterMs: DAY_MS,
  countsPerNetwork: true,
};

/** Codes sent to enable two-factor authentication. Subject: the user id. */
export const TWO_FACTOR_CONFIRMATION_BACKOFF: BackoffPolicy = {
  name: 'two-step-confirmation',
  freeAttempts: 5,
  resetAfterMs: DAY_MS,
  countsPerNetwork: false,
};

/** All failures of one network. The allowance is larger because the users of an office share one address. */
export const NETWORK_BACKOFF: BackoffPolicy = {
  name: 'network',
  freeAttempts: 20,
  resetAfterMs: HOUR_MS,
  countsPerNetwork: false,
};

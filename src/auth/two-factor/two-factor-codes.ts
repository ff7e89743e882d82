import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { keyedHash } from '../../common/keys/encryption.js';

/** The parameters that authenticator apps assume: RFC 6238 with SHA-1, 6 digits, 30 s. */
const TOTP_PARAMETERS = { algorithm: 'SHA1', digits: 6, period: 30 } as const;
/** The length of a time step, in milliseconds. */
export const TIME_STEP_MS = TOTP_PARAMETERS.period * 1000;
/** Accepted time steps before and after the current one, for clocks that differ by up to 30 s. */
const WINDOW = 1;
const SECRET_BYTES = 20; // RFC 4226, section 4

/** 32 characters without those that look alike (l, o, 0, 1): five bits each. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const RECOVERY_CODES = 10;
const RECOVERY_CODE_LENGTH = 16;

/** Returns a new TOTP secret in base32. */
export const newSecret = (): string => new Secret({ size: SECRET_BYTES }).base32;

/** Returns the `otpauth:` URI that an authenticator app reads from a QR code. */
export const secretUri = (secret: string, issuer: string, label: string): string =>
  new TOTP({ ...TOTP_PARAMETERS, secret, issuer, label }).toString();

/**
 * Finds the time step of an app code at a time in milliseconds: the current step, the one before or the one after. Null if
 * the code matches none of them.
 */
export function findTimeStep(code: string, secret: string, now: number): number | null {
  const token = withoutSeparators(code);
  if (!/^[0-9]{6}$/.test(token)) return null; // the library throws on other characters
  const delta = TOTP.validate({
    ...TOTP_PARAMETERS,
    token,
    secret: Secret.fromBase32(secret),
    timestamp: now,
    window: WINDOW,
  });
  return delta === null ? null : TOTP.counter({ period: TOTP_PARAMETERS.period, timestamp: now }) + delta;
}

/** Returns ten recovery codes of 80 random bits each, formatted `xxxx-xxxx-xxxx-xxxx`. */
export const newRecoveryCodes = (): string[] => Array.from({ length: RECOVERY_CODES }, newRecoveryCode);

function newRecoveryCode(): string {
  const characters = Array.from(randomBytes(RECOVERY_CODE_LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]!);
  return characters.join('').replace(/.{4}(?=.)/g, '$&-');
}

/** Whether the input has the length of a recovery code; app codes are shorter. */
export const isRecoveryCode = (code: string): boolean => withoutSeparators(code).length === RECOVERY_CODE_LENGTH;

/** Hashes a recovery code for storage. One round is enough, since 80 random bits cannot be guessed. */
export const hashRecoveryCode = (key: Buffer, userId: string, code: string): string =>
  keyedHash(key, userId, withoutSeparators(code)).toString('base64url');

/** Removes spaces and hyphens and ignores letter case, as users type codes. */
const withoutSeparators = (code: string): string => code.replace(/[\s-]/g, '').toLowerCase();

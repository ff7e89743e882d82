import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { keyedHash } from '../../common/encryption.js';

/** What authenticator apps take for granted: RFC 6238 with SHA-1, 6 digits, 30 s. */
const APP = { algorithm: 'SHA1', digits: 6, period: 30 } as const;
/** A clock may be off by half a minute: the code before and the one after count, too. */
const WINDOW = 1;
const SECRET_BYTES = 20; // RFC 4226, section 4

/** 32 characters that nobody mistakes for each other: five bits each. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const RECOVERY_CODES = 10;
const RECOVERY_CODE_LENGTH = 16;

/** A new secret, in base32. */
export const newSecret = (): string => new Secret({ size: SECRET_BYTES }).base32;

/** What an authenticator app reads from a QR code. */
export const uriOf = (secret: string, issuer: string, label: string): string =>
  new TOTP({ ...APP, secret, issuer, label }).toString();

/** The time step whose code this is, at a time in milliseconds; null when it is that of none of the three. */
export function stepOf(code: string, secret: string, now: number): number | null {
  const token = plain(code);
  if (!/^[0-9]{6}$/.test(token)) return null; // the library compares bytes, and throws at other characters
  const delta = TOTP.validate({
    ...APP,
    token,
    secret: Secret.fromBase32(secret),
    timestamp: now,
    window: WINDOW,
  });
  return delta === null ? null : TOTP.counter({ period: APP.period, timestamp: now }) + delta;
}

/** Ten codes of 80 random bits, as `xxxx-xxxx-xxxx-xxxx`. */
export const newRecoveryCodes = (): string[] => Array.from({ length: RECOVERY_CODES }, newRecoveryCode);

function newRecoveryCode(): string {
  const characters = Array.from(randomBytes(RECOVERY_CODE_LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]!);
  return characters.join('').replace(/.{4}(?=.)/g, '$&-');
}

export const isRecoveryCode = (code: string): boolean => plain(code).length === RECOVERY_CODE_LENGTH;

/** What is stored of a recovery code. A quick hash is enough: 80 random bits cannot be guessed, not even without the key. */
export const recoveryHash = (key: Buffer, userId: string, code: string): string =>
  keyedHash(key, userId, plain(code)).toString('base64url');

/** As people type codes. */
const plain = (code: string): string => code.replace(/[\s-]/g, '').toLowerCase();

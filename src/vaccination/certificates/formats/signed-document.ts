import { type KeyObject, sign, verify } from 'node:crypto';

/** A longer text is no certificate. */
export const MAX_TEXT_LENGTH = 4096;
/** A certificate inflates to less than this; protects from texts that inflate to gigabytes. */
export const MAX_INFLATED_BYTES = 16_384;

/** A certificate that was read but not verified. */
export interface SignedDocument {
  form: 'hcert' | 'shc';
  /** Names the key, in the notation of the form. */
  kid: string;
  /** The bytes that the signature is about. */
  signed: Buffer;
  signature: Buffer;
  /** Reads the content. Call it after the signature was verified. Throws if it is not the content of a certificate. */
  open: () => OpenedDocument;
}

/** What a verified certificate says. */
export interface OpenedDocument {
  not_before: Date;
  expires_at: Date;
  /** Finds the certificate on our record. */
  record: { uvci: string } | { rid: string };
}

/** R and S, 32 bytes each, as COSE and JWS have them. */
const dsaEncoding = 'ieee-p1363';

/** An ES256 signature: ECDSA with P-256 and SHA-256. */
export const signEs256 = (key: KeyObject, bytes: Buffer): Buffer => sign('sha256', bytes, { key, dsaEncoding });

/** Whether the signature of a document is by this key. */
export const isSignedBy = (key: KeyObject, { signed, signature }: SignedDocument): boolean =>
  verify('sha256', signed, { key, dsaEncoding }, signature);

/** Runs a reader of untrusted bytes; undefined if it throws. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Seconds since 1970, as CWT and JWT count them. */
export const toSeconds = (date: Date): number => Math.floor(date.getTime() / 1000);

/** Throws if the value is not a time. */
export function fromSeconds(seconds: unknown): Date {
  if (Number.isSafeInteger(seconds)) return new Date((seconds as number) * 1000);
  throw new Error('This is not the content of a certificate');
}

/** A text of a certificate. Throws if it is none. */
export function requireText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new Error('This is not the content of a certificate');
}

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Config } from '../config/config.js';

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** A key of its own for each purpose, made from SECRET_KEY (HKDF, RFC 5869): none of them tells another. */
export const deriveKey = ({ SECRET_KEY }: Config, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', SECRET_KEY, 'machi', purpose, 32));

/** What the database may hold of a secret with few possible values: without the key nobody can try them out. */
export const keyedHash = (key: Buffer, ...parts: string[]): Buffer =>
  createHmac('sha256', key).update(JSON.stringify(parts)).digest();

/** A secret that cannot be guessed, as it stands in a link: 256 random bits. */
export const newToken = (): string => randomBytes(32).toString('base64url');

/** Encrypts; `about` is not part of the result, and must be the same when it is opened. */
export function encrypt(key: Buffer, text: string, about: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(Buffer.from(about));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

/** Throws when the key or `about` is another one, or a bit has changed. */
export function decrypt(key: Buffer, encrypted_content: Buffer, about: string): string {
  const [iv, tag, body] = [
    encrypted_content.subarray(0, IV_BYTES),
    encrypted_content.subarray(IV_BYTES, IV_BYTES + TAG_BYTES),
    encrypted_content.subarray(IV_BYTES + TAG_BYTES),
  ];
  const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(about)).setAuthTag(tag);
  return decipher.update(body, undefined, 'utf8') + decipher.final('utf8');
}

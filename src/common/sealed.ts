import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Config } from '../config.js';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A key for one purpose alone, made from SECRET_KEY (HKDF, RFC 5869). */
export const keyFor = ({ SECRET_KEY }: Pick<Config, 'SECRET_KEY'>, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', SECRET_KEY, '', purpose, 32));

/** Encrypts what must be read again, so that the database alone does not tell it: nonce, text, tag. */
export function seal(config: Pick<Config, 'SECRET_KEY'>, purpose: string, text: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, keyFor(config, purpose), nonce);
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** Throws for what was sealed with another SECRET_KEY, for another purpose, or has been changed since. */
export function open(config: Pick<Config, 'SECRET_KEY'>, purpose: string, sealed: Buffer): string {
  const decipher = createDecipheriv(ALGORITHM, keyFor(config, purpose), sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
}

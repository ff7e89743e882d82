import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Derives the 32-byte key for one purpose from the application's secret (HKDF, RFC 5869). */
export const deriveKey = (secret: string, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, 'machi', purpose, 32));

/** HMAC-SHA-256 of the parts. Protects stored values with few possibilities, such as codes, against trying them all. */
export const keyedHash = (key: Buffer, ...parts: string[]): Buffer =>
  createHmac('sha256', key).update(JSON.stringify(parts)).digest();

/** A token of 256 random bits, in base64url. */
export const newToken = (): string => randomBytes(32).toString('base64url');

/** Encrypts with AES-256-GCM. `context` is authenticated but not part of the result; `decrypt` needs the same value. */
export function encrypt(key: Buffer, text: string, context: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

/** Decrypts a result of `encrypt`. Throws if the key, the context or a bit of the data differs. */
export function decrypt(key: Buffer, encrypted: Buffer, context: string): string {
  const [iv, tag, body] = [
    encrypted.subarray(0, IV_BYTES),
    encrypted.subarray(IV_BYTES, IV_BYTES + TAG_BYTES),
    encrypted.subarray(IV_BYTES + TAG_BYTES),
  ];
  const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context)).setAuthTag(tag);
  return decipher.update(body, undefined, 'utf8') + decipher.final('utf8');
}

import { createSecretKey, type KeyObject } from 'node:crypto';
import type { Config } from '../../config/config.js';

export const ALGORITHM = 'HS256';

const keys = new Map<string, KeyObject>();

/** The key made from SECRET_KEY, once. */
export function secretKeyOf({ SECRET_KEY }: Config): KeyObject {
  let key = keys.get(SECRET_KEY);
  if (!key) keys.set(SECRET_KEY, (key = createSecretKey(Buffer.from(SECRET_KEY))));
  return key;
}

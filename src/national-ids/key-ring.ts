import { createHmac } from 'node:crypto';
import { deriveKey } from '../common/keys/encryption.js';

/** The length of the prefix of stored values that names the key which made them. */
export const KEY_ID_BYTES = 4;

/** A key with the id that prefixes the values which it makes. */
export interface Key {
  id: Buffer;
  bytes: Buffer;
}

/** The key that new values are made with, and all keys whose values are accepted: it and the former ones. */
export class KeyRing {
  readonly current: Key;
  readonly all: readonly Key[];

  constructor(purpose: string, current: string, accepted: readonly string[]) {
    this.current = toKey(current, purpose);
    this.all = [this.current, ...accepted.map((secret) => toKey(secret, purpose))].filter(
      ({ id }, index, keys) => keys.findIndex((key) => key.id.equals(id)) === index,
    );
  }

  /** The key that made a stored value; undefined for a key that is not configured. */
  keyOf(value: Buffer): Key | undefined {
    return this.all.find(({ id }) => id.equals(value.subarray(0, KEY_ID_BYTES)));
  }
}

function toKey(secret: string, purpose: string): Key {
  const bytes = deriveKey(secret, purpose);
  return { bytes, id: createHmac('sha256', bytes).update('key id').digest().subarray(0, KEY_ID_BYTES) };
}

import { Injectable } from '@nestjs/common';
import { decrypt, encrypt, keyedHash } from '../common/keys/encryption.js';
import { Config } from '../config/config.js';
import { type Key, KEY_ID_BYTES, KeyRing } from './key-ring.js';

/**
 * Encrypts national ids, and hashes them so that the database can find equal ones. Each value starts with the id of its key,
 * so that keys can be rotated while the server runs.
 */
@Injectable()
export class NationalIdsService {
  private readonly encryptionKeys: KeyRing;
  private readonly indexKeys: KeyRing;

  constructor(config: Config) {
    this.encryptionKeys = new KeyRing('national-id', config.NATIONAL_ID_KEY, config.ACCEPTED_NATIONAL_ID_KEYS);
    this.indexKeys = new KeyRing(
      'national-id-index',
      config.NATIONAL_ID_INDEX_KEY,
      config.ACCEPTED_NATIONAL_ID_INDEX_KEYS,
    );
  }

  /** The prefix of the values that the current key encrypts. */
  get encryptionKeyId(): Buffer {
    return this.encryptionKeys.current.id;
  }

  /** The prefixes of the values that can be decrypted. */
  get encryptionKeyIds(): Buffer[] {
    return this.encryptionKeys.all.map(({ id }) => id);
  }

  /** The prefix of the hashes that the current index key makes. */
  get indexKeyId(): Buffer {
    return this.indexKeys.current.id;
  }

  /** Encrypts a number for one row, such as `users 0199…`: in another row it cannot be decrypted. */
  encrypt(row: string, number: string): Buffer {
    const { id, bytes } = this.encryptionKeys.current;
    return Buffer.concat([id, encrypt(bytes, number, row)]);
  }

  /** The number that was encrypted for this row. Throws if the value is of another row, or of a key that is not configured. */
  decrypt(row: string, value: Buffer): string {
    const key = this.encryptionKeys.keyOf(value);
    if (!key) throw new Error('A national id is encrypted with a key that is not among the NATIONAL_ID_KEY settings');
    return decrypt(key.bytes, value.subarray(KEY_ID_BYTES), row);
  }

  /** Encrypts a value again with the current key. Undefined if its key is not configured, or it cannot be decrypted. */
  renew(row: string, value: Buffer): Buffer | undefined {
    try {
      return this.encrypt(row, this.decrypt(row, value));
    } catch {
      return undefined;
    }
  }

  /** The keyed hash of an id: equal parts have equal hashes. */
  hash(...parts: string[]): Buffer {
    return hashWith(this.indexKeys.current, parts);
  }

  /** The hashes of an id by each accepted index key; the first is the result of `hash`. */
  hashes(...parts: string[]): Buffer[] {
    return this.indexKeys.all.map((key) => hashWith(key, parts));
  }
}

const hashWith = ({ id, bytes }: Key, parts: string[]): Buffer => Buffer.concat([id, keyedHash(bytes, ...parts)]);

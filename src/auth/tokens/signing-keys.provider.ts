import { Injectable } from '@nestjs/common';
import {
  type KeyPair,
  type PublishedKey,
  readKeyPair,
  readVerificationKeys,
  type VerificationKey,
} from '../../common/key-pair.js';
import { Config } from '../../config/config.js';

/** The key pairs of tokens: the one that signs, and all that verify. None are configured where SECRET_KEY signs. */
@Injectable()
export class SigningKeys {
  /** What signs; undefined: SECRET_KEY does. */
  readonly signing: KeyPair | undefined;
  private readonly keys: ReadonlyMap<unknown, VerificationKey>;

  constructor({ SIGNING_KEY, ACCEPTED_SIGNING_KEYS }: Config) {
    this.signing = SIGNING_KEY === undefined ? undefined : readKeyPair(SIGNING_KEY);
    const accepted = ACCEPTED_SIGNING_KEYS === undefined ? [] : readVerificationKeys(ACCEPTED_SIGNING_KEYS);
    const all = this.signing ? [this.signing, ...accepted] : accepted;
    this.keys = new Map(all.map((key) => [key.published.kid, key]));
  }

  /** The key of this name, whatever a stranger gave for a name. */
  find(kid: unknown): VerificationKey | undefined {
    return this.keys.get(kid);
  }

  /** The public halves, the signing one first. */
  get published(): PublishedKey[] {
    return [...this.keys.values()].map(({ published }) => published);
  }
}

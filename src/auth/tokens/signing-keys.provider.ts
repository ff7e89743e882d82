import { Injectable } from '@nestjs/common';
import { JwtSecretRequestType, type JwtModuleOptions } from '@nestjs/jwt';
import { decodeProtectedHeader } from 'jose';
import { createSecretKey, type KeyObject } from 'node:crypto';
import { type PublishedKey, readKeyPair, readVerificationKeys } from '../../common/keys/key-pair.js';
import { Config } from '../../config/config.js';

/** HS256 with SECRET_KEY, ES256 with key pairs. */
export const ALGORITHMS: ('HS256' | 'ES256')[] = ['HS256', 'ES256'];

/** The only header members that our tokens have: no critical extensions, embedded keys or key addresses. */
const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid']);

/** The keys that sign and verify tokens. */
@Injectable()
export class SigningKeys {
  /** The public keys, the signing one first; empty if SECRET_KEY signs. */
  readonly published: PublishedKey[];
  private readonly secretKey: KeyObject;
  private readonly publicKeys: ReadonlyMap<unknown, KeyObject>;
  private readonly signing: { key: KeyObject; algorithm: 'HS256' | 'ES256'; keyid?: string };

  constructor({ SECRET_KEY, SIGNING_KEY, ACCEPTED_SIGNING_KEYS }: Config) {
    // A KeyObject, made once: with a string, jsonwebtoken makes one for every token.
    this.secretKey = createSecretKey(Buffer.from(SECRET_KEY));
    const pair = SIGNING_KEY === undefined ? undefined : readKeyPair(SIGNING_KEY);
    const accepted = ACCEPTED_SIGNING_KEYS === undefined ? [] : readVerificationKeys(ACCEPTED_SIGNING_KEYS);
    const keys = new Map([...(pair ? [pair] : []), ...accepted].map((key) => [key.published.kid, key]));
    this.published = [...keys.values()].map(({ published }) => published);
    this.publicKeys = new Map([...keys].map(([kid, { publicKey }]) => [kid, publicKey]));
    this.signing = pair
      ? { key: pair.privateKey, algorithm: 'ES256', keyid: pair.published.kid }
      : { key: this.secretKey, algorithm: 'HS256' };
  }

  /**
   * The one key that may verify a token, chosen by its header: SECRET_KEY for HS256 without `kid`, the named public key for
   * ES256. Undefined for any other header.
   */
  findVerificationKey(token: string): KeyObject | undefined {
    const header = decodeHeader(token);
    if (header?.alg === 'HS256' && header.kid === undefined) return this.secretKey;
    return header?.alg === 'ES256' ? this.publicKeys.get(header.kid) : undefined;
  }

  /** Options of JwtService. It does not compare times: TokensService does, with the injected clock. */
  get jwtOptions(): JwtModuleOptions {
    const { key, ...signOptions } = this.signing;
    return {
      secretOrKeyProvider: (type, token) =>
        type === JwtSecretRequestType.SIGN ? key : this.findVerificationKey(token as string)!, // undefined is refused
      signOptions,
      verifyOptions: { algorithms: ALGORITHMS, ignoreExpiration: true, ignoreNotBefore: true },
    };
  }
}

function decodeHeader(token: string): { alg?: unknown; kid?: unknown } | undefined {
  try {
    const header = decodeProtectedHeader(token);
    return Object.keys(header).every((name) => HEADER_MEMBERS.has(name)) ? header : undefined;
  } catch {
    return undefined;
  }
}

import { createHmac, timingSafeEqual } from 'node:crypto';
import { parse, stringify } from 'uuid';
import type { Clock } from '../common/clock.provider.js';
import { deriveKey } from '../common/keys/encryption.js';

const MAX_AGE_SECONDS = 15 * 60;
/** Tokens made within this time are the same, so that the entity tag of what contains them does not change with each request. */
const STEP_SECONDS = 5 * 60;
const KINDS = ['session', 'feed_token'] as const;
/** Kind, time of expiry, id of the credential, id of the user. */
const PAYLOAD_BYTES = 1 + 4 + 16 + 16;
const MAC_BYTES = 16;

/** What a token says: the session or the feed token of a user. */
export interface ImageCredential {
  kind: (typeof KINDS)[number];
  id: string;
  user_id: string;
}

/**
 * Tokens in the addresses of images, because an `<img>` sends no Bearer header. A token names a credential of a user, and is bound to
 * a scope: the id of the images that it is for. It is valid for 10 to 15 minutes. It proves who asks; what this user may see, and
 * whether the credential still exists, is to be checked at each request.
 */
export class ImageTokens {
  private readonly key: Buffer;

  /** `purpose`: tokens of another purpose are not valid. */
  constructor(
    secretKey: string,
    purpose: string,
    private readonly clock: Clock,
  ) {
    this.key = deriveKey(secretKey, purpose);
  }

  create({ kind, id, user_id }: ImageCredential, scope: string): string {
    const expiry = Math.floor(this.clock.now() / 1000 / STEP_SECONDS) * STEP_SECONDS + MAX_AGE_SECONDS;
    const payload = Buffer.alloc(PAYLOAD_BYTES);
    payload.writeUInt8(KINDS.indexOf(kind), 0);
    payload.writeUInt32BE(expiry, 1);
    payload.set(parse(id), 5);
    payload.set(parse(user_id), 21);
    return Buffer.concat([payload, this.mac(payload, scope)]).toString('base64url');
  }

  /** What a token says; null if it has expired or was not made for this scope. */
  read(token: string, scope: string): ImageCredential | null {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length !== PAYLOAD_BYTES + MAC_BYTES) return null;
    const payload = bytes.subarray(0, PAYLOAD_BYTES);
    if (!timingSafeEqual(bytes.subarray(PAYLOAD_BYTES), this.mac(payload, scope))) return null;
    if (payload.readUInt32BE(1) * 1000 <= this.clock.now()) return null;
    return { kind: KINDS[payload.readUInt8(0)]!, id: stringify(payload, 5), user_id: stringify(payload, 21) };
  }

  private mac(payload: Buffer, scope: string): Buffer {
    return createHmac('sha256', this.key).update(payload).update(scope).digest().subarray(0, MAC_BYTES);
  }
}

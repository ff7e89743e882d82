import { Injectable } from '@nestjs/common';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parse, stringify } from 'uuid';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { Clock } from '../../common/clock.provider.js';
import { deriveKey } from '../../common/encryption.js';
import { Config } from '../../config/config.js';
import { isTokenProblem, Problem } from '../../http/problems/problem.js';
import { FeedTokensService } from '../feed-tokens/feed-tokens.service.js';
import { type Reader, readerOf } from '../visibility/reader.js';

const MAX_AGE_SECONDS = 15 * 60;
/** Tokens made within this time are the same, so that the entity tag of a chapter does not change with each request. */
const STEP_SECONDS = 5 * 60;
const KINDS = ['session', 'feed_token'] as const;
/** Kind, time of expiry, id of the credential, id of the user. */
const PAYLOAD_BYTES = 1 + 4 + 16 + 16;
const MAC_BYTES = 16;

/**
 * Tokens in the addresses of images, because an `<img>` sends no Bearer header. A token names a session or a feed token, and
 * images by the id of their chapter or their cover. It lets its holder read what that reader may see at the time of the request, for
 * 10 to 15 minutes, and ends with the session or the feed token.
 */
@Injectable()
export class PageTokensService {
  private readonly key: Buffer;

  constructor(
    private readonly authenticator: AuthenticatorService,
    private readonly feedTokens: FeedTokensService,
    private readonly clock: Clock,
    config: Config,
  ) {
    this.key = deriveKey(config.SECRET_KEY, 'page tokens');
  }

  /** A token for the images of a chapter or for a cover, by its id; undefined for a reader who is not signed in. */
  create({ id, credential }: Reader, scope: string): string | undefined {
    if (id === null || credential === null) return undefined;
    const expiry = Math.floor(this.clock.now() / 1000 / STEP_SECONDS) * STEP_SECONDS + MAX_AGE_SECONDS;
    const payload = Buffer.alloc(PAYLOAD_BYTES);
    payload.writeUInt8(KINDS.indexOf(credential.kind), 0);
    payload.writeUInt32BE(expiry, 1);
    payload.set(parse(credential.id), 5);
    payload.set(parse(id), 21);
    return Buffer.concat([payload, this.mac(payload, scope)]).toString('base64url');
  }

  /** The reader that a token names, with their rights as of now; null if it is not valid for these images. */
  async findReader(token: string, scope: string): Promise<Reader | null> {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length !== PAYLOAD_BYTES + MAC_BYTES) return null;
    const payload = bytes.subarray(0, PAYLOAD_BYTES);
    if (!timingSafeEqual(bytes.subarray(PAYLOAD_BYTES), this.mac(payload, scope))) return null;
    if (payload.readUInt32BE(1) * 1000 <= this.clock.now()) return null;
    const [credentialId, userId] = [stringify(payload, 5), stringify(payload, 21)];
    if (KINDS[payload.readUInt8(0)] === 'feed_token') {
      const user = await this.feedTokens.findUserById(credentialId);
      return user?.id === userId ? readerOf(user) : null;
    }
    try {
      return readerOf(await this.authenticator.getCaller({ sid: credentialId, sub: userId }));
    } catch (error) {
      if (error instanceof Problem && isTokenProblem(error.code)) return null; // the session has ended
      throw error;
    }
  }

  private mac(payload: Buffer, scope: string): Buffer {
    return createHmac('sha256', this.key).update(payload).update(scope).digest().subarray(0, MAC_BYTES);
  }
}

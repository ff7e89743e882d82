import { Injectable } from '@nestjs/common';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { ImageTokens } from '../../stored-images/image-tokens.js';
import { FeedTokensService } from '../feed-tokens/feed-tokens.service.js';
import { type Reader, readerOf } from '../visibility/reader.js';

/**
 * Tokens in the addresses of pages and covers, for the images of one chapter or for one cover, by its id. A token lets its holder
 * read what the reader may see at the time of the request, and ends with the session or the feed token.
 */
@Injectable()
export class PageTokensService {
  private readonly tokens: ImageTokens;

  constructor(
    private readonly authenticator: AuthenticatorService,
    private readonly feedTokens: FeedTokensService,
    clock: Clock,
    config: Config,
  ) {
    this.tokens = new ImageTokens(config.SECRET_KEY, 'page tokens', clock);
  }

  /** A token for the images of a chapter or for a cover, by its id; undefined for a reader who is not signed in. */
  create({ id, credential }: Reader, scope: string): string | undefined {
    if (id === null || credential === null) return undefined;
    return this.tokens.create({ ...credential, user_id: id }, scope);
  }

  /** The reader that a token names, with their rights as of now; null if it is not valid for these images. */
  async findReader(token: string, scope: string): Promise<Reader | null> {
    const credential = this.tokens.read(token, scope);
    if (!credential) return null;
    const { kind, id, user_id } = credential;
    if (kind === 'feed_token') {
      const user = await this.feedTokens.findUserById(id);
      return user?.id === user_id ? readerOf(user) : null;
    }
    const caller = await this.authenticator.findCaller({ sid: id, sub: user_id });
    return caller && readerOf(caller);
  }
}

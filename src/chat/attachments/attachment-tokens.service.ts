import { Injectable } from '@nestjs/common';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { ImageTokens } from '../../stored-images/image-tokens.js';
import type { Caller } from '../../users/caller.js';

/**
 * Tokens in the addresses of attachments, for the images of one attachment. A token proves who asks, for 10 to 15 minutes, and ends
 * with the session.
 */
@Injectable()
export class AttachmentTokensService {
  private readonly tokens: ImageTokens;

  constructor(
    private readonly authenticator: AuthenticatorService,
    clock: Clock,
    config: Config,
  ) {
    this.tokens = new ImageTokens(config.SECRET_KEY, 'attachment tokens', clock);
  }

  create({ id, session_id }: Pick<Caller, 'id' | 'session_id'>, attachmentId: string): string {
    return this.tokens.create({ kind: 'session', id: session_id, user_id: id }, attachmentId);
  }

  /** The user whom a token names; null if it is not valid for this attachment, or the session has ended. */
  async findCaller(token: string, attachmentId: string): Promise<Caller | null> {
    const credential = this.tokens.read(token, attachmentId);
    return credential && this.authenticator.findCaller({ sid: credential.id, sub: credential.user_id });
  }
}

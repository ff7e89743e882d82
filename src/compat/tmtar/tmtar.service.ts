import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { anyBearer } from '../../auth/authenticator.service.js';
import { deviceOf } from '../../auth/sessions/device.js';
import { SessionRefreshService } from '../../auth/sessions/session-refresh.service.js';
import { TokensService } from '../../auth/tokens/tokens.service.js';
import { Problem, tokenProblem } from '../../http/problem.js';
import { ExternalIdentitiesService } from '../../auth/external-identities/external-identities.service.js';
import type { TmtarSessionDto } from './tmtar.dto.js';

@Injectable()
export class TmtarService {
  constructor(
    private readonly tokens: TokensService,
    private readonly refreshes: SessionRefreshService,
    private readonly identities: ExternalIdentitiesService,
  ) {}

  /** Raises `token_required`, and what renewing or exchanging raises. */
  async login(request: Request): Promise<TmtarSessionDto> {
    const token = anyBearer(request); // a provider's tokens are its own business, and in a test the name itself is one
    const isOurs = await this.tokens.read(token).then(
      () => true,
      () => false,
    );
    if (isOurs) return { access_token: (await this.refreshes.renewIdentityToken(token)).token, status: 'OK' };
    const exchanged = this.identities.exchange({ token }, deviceOf(request)).catch(asInvalidToken);
    const { identity_token, refresh_token } = await exchanged;
    return { access_token: identity_token, refresh_token, status: 'OK' };
  }
}

/**
 * This door knows of no providers to choose from, a token of none that counts is just not valid; nor of a second step. Its
 * clients read `msg`.
 */
function asInvalidToken(error: unknown): never {
  if (!(error instanceof Problem)) throw error;
  if (error.code === 'unknown_identity_provider') throw tokenProblem('invalid_token');
  if (error.code !== 'two_step_required') throw error;
  const msg = 'Two-step sign-in is on: sign in with a client that knows it';
  throw new Problem(error.code, { detail: `${msg}.`, members: { ...error.members, msg } });
}

import { Injectable } from '@nestjs/common';
import type { Device } from '../../auth/sessions/device.js';
import { SessionRefreshService } from '../../auth/sessions/session-refresh.service.js';
import { TokensService } from '../../auth/tokens/tokens.service.js';
import { Problem, tokenProblem } from '../../http/problems/problem.js';
import { ExternalIdentitiesService } from '../../auth/external-identities/external-identities.service.js';
import type { TmtarSessionDto } from './tmtar.dto.js';

/** Signs users of the augmented-reality service in. */
@Injectable()
export class TmtarService {
  constructor(
    private readonly tokens: TokensService,
    private readonly refreshes: SessionRefreshService,
    private readonly identities: ExternalIdentitiesService,
  ) {}

  /** Accepts a refresh token of Machi or a token of an identity provider. Throws the problems of renewing and exchanging. */
  async login(token: string, device: Device): Promise<TmtarSessionDto> {
    if (this.tokens.find(token))
      return { access_token: (await this.refreshes.renewIdentityToken(token, 'tmtar')).token, status: 'OK' };
    const exchanged = this.identities.exchange({ token }, device).catch(throwDocumented);
    const { identity_token, refresh_token } = await exchanged;
    return { access_token: identity_token, refresh_token, status: 'OK' };
  }
}

/**
 * The document has neither a choice of provider nor two-factor authentication: a token of an unknown provider is an
 * invalid token, and a required code is explained in `msg`, which the clients read.
 */
function throwDocumented(error: unknown): never {
  if (!(error instanceof Problem)) throw error;
  if (error.code === 'unknown_identity_provider') throw tokenProblem('invalid_token');
  if (error.code !== 'two_step_required') throw error;
  const msg = 'Two-factor authentication is on: sign in with a client that supports it';
  throw new Problem(error.code, { detail: `${msg}.`, members: { ...error.members, msg } });
}

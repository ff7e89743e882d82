import { Injectable } from '@nestjs/common';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import type { Device } from '../../auth/sessions/device.js';
import { SessionRefreshService } from '../../auth/sessions/session-refresh.service.js';
import type { SessionDto } from '../../auth/sessions/sessions.dto.js';
import { SessionsService } from '../../auth/sessions/sessions.service.js';
import { SignInService } from '../../auth/sign-in.service.js';
import type { RefreshClaims } from '../../auth/tokens/token-claims.js';
import { TokensService } from '../../auth/tokens/tokens.service.js';
import { isTokenProblem, Problem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import type { KanjikuTokens } from './kanjiku-cookies.js';
import type { KanjikuSessionDto } from './kanjiku.dto.js';
import { KanjikuError } from './message-keys.js';

const throwAsJwtError = (error: unknown): never => {
  throw error instanceof Problem && isTokenProblem(error.code) ? new KanjikuError('errors.jwt_error') : error;
};

/** Signs users of the manga site in and out. */
@Injectable()
export class KanjikuSessionsService {
  constructor(
    private readonly signIns: SignInService,
    private readonly sessions: SessionsService,
    private readonly refreshes: SessionRefreshService,
    private readonly authenticator: AuthenticatorService,
    private readonly tokens: TokensService,
  ) {}

  /**
   * `earlierTokens` are tokens of earlier sessions. Throws `errors.login_not_provided`, `errors.password_not_providied` and
   * the problems of signing in.
   */
  async login(body: object = {}, device: Device, earlierTokens: string[]): Promise<SessionDto> {
    const { username, password } = body as Record<string, unknown>;
    if (typeof username !== 'string' || username === '') throw new KanjikuError('errors.login_not_provided');
    if (typeof password !== 'string' || password === '') throw new KanjikuError('errors.password_not_providied');
    return this.signIns.signIn({ login: username, password }, device, earlierTokens);
  }

  /** The session of both cookies. Throws `errors.no_refresh_token_provided`, `errors.jwt_error`. */
  async get({ identity, refresh }: KanjikuTokens): Promise<KanjikuSessionDto> {
    if (refresh.length === 0) throw new KanjikuError('errors.no_refresh_token_provided');
    const { caller, claims } = await this.authenticator.authenticateFirst(identity).catch(throwAsJwtError);
    const refreshClaims = this.tokens
      .findAllCurrent(refresh, 'refresh')
      .find(({ id_token }) => id_token === claims.jti);
    if (!refreshClaims) throw new KanjikuError('errors.jwt_error');
    const { id: uid, profile, permissions } = caller;
    const groups = profile.groups.map(({ name }) => name);
    const user = { uid, username: profile.username, groups, permissions };
    return { id_valid_until: claims.exp, refresh_valid_until: refreshClaims.exp, user };
  }

  /**
   * Rotates the refresh token. Of several cookies, the newest token of the newest session that has not ended counts: an older
   * token would be regarded as reused. Throws `errors.no_refresh_token_provided`, `errors.jwt_error`.
   */
  async refresh({ refresh }: KanjikuTokens, device: Device): Promise<SessionDto> {
    if (refresh.length === 0) throw new KanjikuError('errors.no_refresh_token_provided');
    for (const claims of bySession(this.tokens.findAllCurrent(refresh, 'refresh'))) {
      const session = await this.refreshes.refreshWithAny(claims, device).catch((error: unknown) => {
        if (error instanceof Problem && error.code === 'invalid_token') return null; // its session has ended
        return throwAsJwtError(error);
      });
      if (session) return session;
    }
    throw new KanjikuError('errors.jwt_error');
  }

  /** Ends the caller's session, or all of them. Throws `session_not_found` if another request has just ended it. */
  async logout(caller: Caller, body: unknown): Promise<void> {
    const { logout_all } = (body ?? {}) as Record<string, unknown>;
    if (logout_all === true || logout_all === 'true') await this.sessions.removeAll(caller, caller.id);
    else await this.sessions.remove(caller, caller.id, caller.session_id);
  }
}

/** Groups tokens by session, the session with the newest token first. */
function bySession(tokens: RefreshClaims[]): [RefreshClaims, ...RefreshClaims[]][] {
  const groups = new Map<string, [RefreshClaims, ...RefreshClaims[]]>();
  for (const claims of tokens.toSorted((a, b) => b.iat - a.iat)) {
    const group = groups.get(claims.sid);
    if (group) group.push(claims);
    else groups.set(claims.sid, [claims]);
  }
  return [...groups.values()];
}

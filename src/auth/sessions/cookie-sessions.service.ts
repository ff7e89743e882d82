import { Injectable } from '@nestjs/common';
import { tokenProblem } from '../../http/problems/problem.js';
import { TokensService } from '../tokens/tokens.service.js';
import type { Device } from './device.js';
import { SessionRefreshService } from './session-refresh.service.js';
import type { SessionDto } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';

/** Refreshes and ends sessions whose refresh token is in a cookie. */
@Injectable()
export class CookieSessionsService {
  constructor(
    private readonly tokens: TokensService,
    private readonly refreshes: SessionRefreshService,
    private readonly sessions: SessionsService,
  ) {}

  /**
   * Rotates the refresh token of the cookies. `identityToken` is the last one of the page, if it sent one, and may have
   * expired: then only its session is refreshed, so that a page never continues as another user. Another host of the same
   * domain can add a cookie of its own session, so cookies of several sessions are refused. Throws `token_required`,
   * `invalid_token`, `token_expired`, `token_reused`.
   */
  async refresh(cookies: string[], identityToken: string | undefined, device: Device): Promise<SessionDto> {
    const [cookie] = cookies;
    if (cookie === undefined) throw tokenProblem('token_required');
    const sessionId = identityToken === undefined ? undefined : this.tokens.find(identityToken)?.sid;
    const current = this.tokens.findAllCurrent(cookies, 'refresh');
    if (current.length === 0) this.tokens.verifyCurrent(cookie, 'refresh'); // throws what is wrong with it
    const [first, ...others] = current.filter(({ sid }) => sessionId === undefined || sid === sessionId);
    if (!first || others.some(({ sid }) => sid !== first.sid)) throw tokenProblem('invalid_token');
    return this.refreshes.refreshWithAny([first, ...others], device);
  }

  /** Ends the sessions of the cookies, expired ones included. Throws `invalid_token` if none is a token of ours. */
  async signOut(cookies: string[]): Promise<void> {
    const tokens = cookies.filter((cookie) => this.tokens.find(cookie) !== null);
    if (tokens.length === 0) throw tokenProblem('invalid_token');
    for (const token of tokens) await this.sessions.signOut(token);
  }

  /** Whether two tokens belong to one session. */
  isSameSession(token: string, other: string): boolean {
    return this.tokens.find(token)?.sid === this.tokens.find(other)?.sid;
  }
}

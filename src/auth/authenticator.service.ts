import { Injectable } from '@nestjs/common';
import { parseCookie } from 'cookie';
import type { IncomingMessage } from 'node:http';
import { tokenProblem } from '../http/problem.js';
import type { Caller } from '../users/caller.js';
import { SessionsService } from './sessions/sessions.service.js';
import { type IdentityClaims, TokensService } from './tokens/tokens.service.js';

/** What stands behind "Bearer", whatever it is (RFC 6750, section 2.1). Raises `token_required`, `invalid_token`. */
export function anyBearer({ headers }: Pick<IncomingMessage, 'headers'>): string {
  if (headers.authorization === undefined) throw tokenProblem('token_required');
  const token = /^Bearer (\S+)$/i.exec(headers.authorization)?.[1];
  if (token === undefined) throw tokenProblem('invalid_token');
  return token;
}

/** As `anyBearer`, of the form that our tokens have. */
export function bearerToken(request: Pick<IncomingMessage, 'headers'>): string {
  const token = anyBearer(request);
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) throw tokenProblem('invalid_token');
  return token;
}

/** The one cookie of Machi, holding an identity token. */
export const COOKIE = 'login-token';

/**
 * The identity token of a request: from its Authorization header, or else from the cookie. A browser sends that along
 * wherever a foreign page leads it, so it counts for what changes nothing: GET and HEAD, the upgrade to WebSocket among
 * them. Raises `token_required`, `invalid_token`.
 */
export function identityToken(request: Pick<IncomingMessage, 'headers' | 'method'>): string {
  const { headers, method } = request;
  const isSafe = method === 'GET' || method === 'HEAD';
  const token = isSafe && headers.authorization === undefined ? parseCookie(headers.cookie ?? '')[COOKIE] : undefined;
  return token ?? bearerToken(request);
}

/** Whatever a request shows in the place of an identity token, by header or cookie. */
export function shownToken({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined {
  return /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? parseCookie(headers.cookie ?? '')[COOKIE];
}

/** Tells who sends a request. */
@Injectable()
export class AuthenticatorService {
  constructor(
    private readonly tokens: TokensService,
    private readonly sessions: SessionsService,
  ) {}

  /** The caller, as of now. Raises `token_required`, `invalid_token`, `token_expired`. */
  async authenticate(request: IncomingMessage): Promise<Caller> {
    return this.caller(await this.read(request));
  }

  /** What the request's token says; its session is not looked at. Raises as `authenticate` does. */
  async read(request: IncomingMessage): Promise<IdentityClaims> {
    return this.tokens.readCurrent(identityToken(request), 'identity');
  }

  /** The user of a token's session, as of now. Raises `invalid_token`. */
  async caller({ sid, sub }: IdentityClaims): Promise<Caller> {
    const user = await this.sessions.authenticate(sid);
    if (user?.id !== sub) throw tokenProblem('invalid_token');
    return user;
  }
}

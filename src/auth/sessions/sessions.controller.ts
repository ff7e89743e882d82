import { Body, Controller, Delete, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Config } from '../../config/config.js';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { UuidParam } from '../../http/validation.js';
import { type Problem, validationFailed } from '../../http/problems/problem.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { SkipChangeLimit } from '../../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { bearerToken, findBearerToken, hasBearer, identityTokens } from '../tokens/request-tokens.js';
import { CookieSessionsService } from './cookie-sessions.service.js';
import {
  CurrentSessionDto,
  DeviceSessionsPageDto,
  RefreshDto,
  SessionDto,
  SignOutAllQueryDto,
  SignOutDto,
} from './sessions.dto.js';
import { deviceOf } from './device.js';
import { ApiRefreshCookie } from './refresh-cookie.interceptor.js';
import { deleteRefreshCookie, moveToCookie, refreshCookies, sentRefreshCookies } from './refresh-cookie.js';
import { SessionRefreshService } from './session-refresh.service.js';
import { SessionsService } from './sessions.service.js';

/** A function, because the stack belongs to the request. */
const refreshTokenMissing = (): Problem =>
  validationFailed([{ path: 'refresh_token', message: 'refresh_token must be a string' }]);

@ApiTags('sessions')
@Controller('sessions')
export class SessionsController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly refreshes: SessionRefreshService,
    private readonly cookieSessions: CookieSessionsService,
    private readonly config: Config,
  ) {}

  /**
   * Rotates the refresh token: returns the next identity token with its one refresh token. A refresh token can be used
   * once. A client that lost the answer sends it again, from the same network and browser, and gets the same tokens until it
   * uses the next refresh token. Any other use of an earlier refresh token revokes the session. Without a refresh token in the
   * body, the cookie of `"refresh": "cookie"` counts, from pages of this site and of allowed origins; the next one is a cookie,
   * too. With the last identity token as Bearer, even an expired one, the cookie of another session is refused.
   */
  @Post('refresh')
  @ApiOperation({ operationId: 'refreshSession' })
  @Public()
  @HttpCode(200)
  @ApiRefreshCookie()
  @ApiOkResponse({ type: SessionDto })
  @ApiProblems('token_required', 'invalid_token', 'token_expired', 'token_reused')
  async refresh(
    @Body() { refresh_token, refresh }: RefreshDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Partial<SessionDto>> {
    const device = deviceOf(request);
    if (typeof refresh_token === 'string') {
      const session = await this.refreshes.refresh(refresh_token, device);
      return refresh === 'cookie' ? moveToCookie(session, response, this.config) : session;
    }
    const cookies = refreshCookies(request, this.config);
    if (cookies.length === 0 && refresh !== 'cookie') throw refreshTokenMissing();
    const session = await this.cookieSessions.refresh(cookies, findBearerToken(request), device);
    return moveToCookie(session, response, this.config); // a token from the cookie never gets into the reach of scripts
  }

  /** Returns the caller's sessions, newest first. A user has at most 100: the next sign-in ends the oldest one. */
  @Get()
  @ApiOperation({ operationId: 'listSessions' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  list(@CurrentUser() caller: Caller, @Query() query: PageQueryDto): Promise<DeviceSessionsPageDto> {
    return this.sessions.list(caller, query);
  }

  /** Returns the session of this request, the expiry of both tokens and the user as the identity token names them. */
  @Get('current')
  @ApiOperation({ operationId: 'getCurrentSession' })
  @SignedIn()
  current(@CurrentUser() caller: Caller, @Req() request: Request): Promise<CurrentSessionDto> {
    return this.sessions.getCurrent(caller, identityTokens(request));
  }

  /** Revokes all sessions of the caller, or all but this one. */
  @Delete()
  @ApiOperation({ operationId: 'signOutEverywhere' })
  @SignedIn()
  @SkipChangeLimit()
  @HttpCode(204)
  async removeAll(
    @CurrentUser() caller: Caller,
    @Query() { except_current }: SignOutAllQueryDto,
    @Req() { headers }: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    const exceptCurrent = except_current === 'true';
    await this.sessions.removeAll(caller, caller.id, { exceptCurrent });
    if (!exceptCurrent && sentRefreshCookies(headers, this.config).length > 0)
      deleteRefreshCookie(response, this.config);
  }

  /**
   * Revokes the session of the refresh token in the body, of this identity token, which may have expired, or of the cookie, in
   * this order, and deletes the cookie of the session. Repeating it succeeds.
   */
  @Delete('current')
  @ApiOperation({ operationId: 'signOut' })
  @Public()
  @ApiBearerAuth()
  @HttpCode(204)
  async signOut(
    @Body() { refresh_token }: SignOutDto,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    const cookies = sentRefreshCookies(request.headers, this.config);
    if (refresh_token === undefined && !hasBearer(request.headers) && cookies.length > 0) {
      await this.cookieSessions.signOut(refreshCookies(request, this.config));
      return deleteRefreshCookie(response, this.config);
    }
    const token = refresh_token ?? bearerToken(request);
    await this.sessions.signOut(token);
    if (cookies.some((cookie) => this.cookieSessions.isSameSession(cookie, token)))
      deleteRefreshCookie(response, this.config);
  }

  /** Revokes one session of the caller. */
  @Delete(':id')
  @ApiOperation({ operationId: 'revokeSession' })
  @SignedIn()
  @SkipChangeLimit()
  @HttpCode(204)
  @ApiProblems('session_not_found')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.sessions.remove(caller, caller.id, id);
  }
}

import { Body, Controller, Get, HttpCode, Post, Req, Res, UseFilters, UseGuards } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { deviceOf } from '../../auth/sessions/device.js';
import { Config } from '../../config/config.js';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { NoHeadGuard } from '../../http/no-head.guard.js';
import { isForeignOrigin } from '../../http/origin.js';
import { Problem } from '../../http/problems/problem.js';
import { Public } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { deletedCookies, kanjikuTokens, sessionCookies } from './kanjiku-cookies.js';
import { KanjikuSessionGuard } from './kanjiku-session.guard.js';
import { KanjikuSessionsService } from './kanjiku-sessions.service.js';
import {
  KanjikuLoginDto,
  KanjikuLogoutDto,
  KanjikuMessageDto,
  KanjikuSessionDto,
  toMessageDto,
} from './kanjiku.dto.js';
import { KanjikuFilter, MessageKeys } from './kanjiku.filter.js';

/** Sign-in of the manga site. Its tokens travel in the cookies `IdentityToken` and `RefreshToken` only. */
@ApiTags('kanjiku')
@Controller('v1/Session')
@Public()
@UseFilters(KanjikuFilter)
export class KanjikuSessionsController {
  constructor(
    private readonly sessions: KanjikuSessionsService,
    private readonly config: Config,
  ) {}

  /** Signs in and sets both cookies (manga site). */
  @Post('login')
  @HttpCode(200)
  @ApiOperation({ operationId: 'loginAtKanjiku' })
  @ApiBody({ type: KanjikuLoginDto })
  @MessageKeys({
    200: ['messages.login_success'],
    400: [
      'errors.login_not_provided',
      'errors.password_not_providied',
      'errors.login_wrong_password',
      'errors.two_factor_required',
    ],
  })
  async login(
    @Body() body: object | undefined,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<KanjikuMessageDto> {
    const { identity, refresh } = kanjikuTokens(request.headers);
    const session = await this.sessions.login(body, deviceOf(request, 'kanjiku'), [...identity, ...refresh]);
    response.set('set-cookie', sessionCookies(session, this.config));
    return toMessageDto('messages.login_success');
  }

  /** Returns the session of the cookies, with the rights that the user has now (manga site). */
  @Get()
  @ApiOperation({ operationId: 'getKanjikuSession' })
  @ApiOkResponse({ type: KanjikuSessionDto })
  @MessageKeys({ 400: ['errors.no_refresh_token_provided', 'errors.jwt_error'] })
  get(@Req() request: Request): Promise<KanjikuSessionDto> {
    return this.sessions.get(kanjikuTokens(request.headers));
  }

  /** Rotates the refresh token and sets both cookies again (manga site). */
  @Get('refresh')
  @UseGuards(NoHeadGuard)
  @ApiOperation({ operationId: 'refreshKanjikuSession' })
  @MessageKeys({
    200: ['messages.session_refreshed'],
    400: ['errors.no_refresh_token_provided', 'errors.jwt_error'],
  })
  async refresh(@Req() request: Request, @Res({ passthrough: true }) response: Response): Promise<KanjikuMessageDto> {
    if (isForeignOrigin(request, this.config)) throw new Problem('foreign_origin'); // a change, although it is a GET
    const session = await this.sessions.refresh(kanjikuTokens(request.headers), deviceOf(request, 'kanjiku'));
    response.set('set-cookie', sessionCookies(session, this.config));
    return toMessageDto('messages.session_refreshed');
  }

  /** Ends the session, or all sessions of the user, and deletes both cookies (manga site). */
  @Post('logout')
  @HttpCode(200)
  @AcceptsBody('any') // its client sends the body "null"
  @UseGuards(KanjikuSessionGuard)
  @ApiOperation({ operationId: 'logoutAtKanjiku' })
  @ApiBody({ type: KanjikuLogoutDto, required: false })
  @MessageKeys({ 200: ['messages.logout_success'], 400: ['errors.no_session', 'errors.session_expired'] })
  async logout(
    @CurrentUser() caller: Caller,
    @Body() body: unknown,
    @Res({ passthrough: true }) response: Response,
  ): Promise<KanjikuMessageDto> {
    await this.sessions.logout(caller, body);
    response.set('set-cookie', deletedCookies(this.config));
    return toMessageDto('messages.logout_success');
  }
}

import { Body, Controller, Delete, Get, HttpCode, Post, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { SIGN_IN_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { TwoFactorSignInDto } from '../two-factor/two-factor.dto.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { bearerToken, identityToken, shownToken } from '../authenticator.service.js';
import { deviceOf } from './device.js';
import {
  CurrentSessionDto,
  DeviceSessionDto,
  RefreshDto,
  SessionDto,
  SignInDto,
  SignOutAllQueryDto,
  SignOutDto,
  toDeviceSessionDto,
} from './sessions.dto.js';
import { SessionRefreshService } from './session-refresh.service.js';
import { SessionsService } from './sessions.service.js';
import { SignInService } from '../sign-in.service.js';

@ApiTags('sessions')
@Controller('sessions')
export class SessionsController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly refreshes: SessionRefreshService,
    private readonly signIns: SignInService,
  ) {}

  /**
   * Signs in: opens a session on this device, with an identity token and its one refresh token. After five failures for
   * one login each further one doubles a wait; a device that sends the user's last identity token as Bearer, even an
   * expired one, is counted by itself. With two-step sign-in on, a right password gets `two_step_required` with a
   * challenge, good for five minutes.
   */
  @Post()
  @Public()
  @ApiProblems('invalid_credentials', 'two_step_required', 'rate_limited', 'busy')
  signIn(@Body() dto: SignInDto, @Req() request: Request): Promise<SessionDto> {
    return this.signIns.signIn(dto, deviceOf(request), shownToken(request));
  }

  /** Ends a sign-in by the second step: a code of the authenticator app, or a recovery code. Each counts once. */
  @Post(['two-factor', 'two-step'])
  @Public()
  @RateLimit(SIGN_IN_QUOTA)
  @ApiProblems('invalid_challenge', 'wrong_code', 'too_many_codes')
  signInWithCode(@Body() dto: TwoFactorSignInDto, @Req() request: Request): Promise<SessionDto> {
    return this.signIns.signInWithCode(dto, deviceOf(request));
  }

  /**
   * The next identity token, with its one refresh token. A refresh token can be used once; shown again within 10 s it
   * gets the same answer, later it ends the session.
   */
  @Post('refresh')
  @Public()
  @HttpCode(200)
  @ApiProblems('invalid_token', 'token_expired', 'token_reused')
  refresh(@Body() { refresh_token }: RefreshDto): Promise<SessionDto> {
    return this.refreshes.refresh(refresh_token);
  }

  /** The devices on which the caller is signed in. */
  @Get()
  @SignedIn()
  async list(@CurrentUser() caller: Caller): Promise<DeviceSessionDto[]> {
    const sessions = await this.sessions.list(caller);
    return sessions.map((session) => toDeviceSessionDto(session, caller.session_id));
  }

  /** The session of this request, with the ends of both tokens and the user as the token shows them. */
  @Get('current')
  @SignedIn()
  current(@CurrentUser() caller: Caller, @Req() request: Request): Promise<CurrentSessionDto> {
    return this.sessions.getCurrent(caller, identityToken(request));
  }

  /** Signs out everywhere, or everywhere else. */
  @Delete()
  @SignedIn()
  @HttpCode(204)
  removeAll(@CurrentUser() caller: Caller, @Query() { except_current }: SignOutAllQueryDto): Promise<void> {
    return this.sessions.removeAll(caller, caller.id, { exceptCurrent: except_current === 'true' });
  }

  /**
   * Signs out on this device: by the identity token, even when it has expired, or by the refresh token in the body. Doing
   * it again is fine.
   */
  @Delete('current')
  @Public()
  @ApiBearerAuth()
  @HttpCode(204)
  signOut(@Body() { refresh_token }: SignOutDto, @Req() request: Request): Promise<void> {
    return this.sessions.signOut(refresh_token ?? bearerToken(request));
  }

  /** Signs out on one device. */
  @Delete(':id')
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('session_not_found')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.sessions.remove(caller, caller.id, id);
  }
}

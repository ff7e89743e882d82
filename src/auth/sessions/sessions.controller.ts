import { Body, Controller, Delete, Get, HttpCode, Post, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { bearerToken, identityTokens } from '../tokens/request-tokens.js';
import {
  CurrentSessionDto,
  DeviceSessionDto,
  RefreshDto,
  SessionDto,
  SignOutAllQueryDto,
  SignOutDto,
  toDeviceSessionDto,
} from './sessions.dto.js';
import { SessionRefreshService } from './session-refresh.service.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('sessions')
@Controller('sessions')
export class SessionsController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly refreshes: SessionRefreshService,
  ) {}

  /**
   * Rotates the refresh token: returns the next identity token with its one refresh token. A refresh token can be used
   * once. Used again within 10 s it gets the same tokens; used later it revokes the session.
   */
  @Post('refresh')
  @ApiOperation({ operationId: 'refreshSession' })
  @Public()
  @HttpCode(200)
  @ApiProblems('invalid_token', 'token_expired', 'token_reused')
  refresh(@Body() { refresh_token }: RefreshDto): Promise<SessionDto> {
    return this.refreshes.refresh(refresh_token);
  }

  /** Returns the caller's sessions, newest first. */
  @Get()
  @ApiOperation({ operationId: 'listSessions' })
  @SignedIn()
  async list(@CurrentUser() caller: Caller): Promise<DeviceSessionDto[]> {
    const sessions = await this.sessions.list(caller);
    return sessions.map((session) => toDeviceSessionDto(session, caller.session_id));
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
  @HttpCode(204)
  removeAll(@CurrentUser() caller: Caller, @Query() { except_current }: SignOutAllQueryDto): Promise<void> {
    return this.sessions.removeAll(caller, caller.id, { exceptCurrent: except_current === 'true' });
  }

  /**
   * Revokes the session of this identity token, which may have expired, or of the refresh token in the body. Repeating it
   * succeeds.
   */
  @Delete('current')
  @ApiOperation({ operationId: 'signOut' })
  @Public()
  @ApiBearerAuth()
  @HttpCode(204)
  signOut(@Body() { refresh_token }: SignOutDto, @Req() request: Request): Promise<void> {
    return this.sessions.signOut(refresh_token ?? bearerToken(request));
  }

  /** Revokes one session of the caller. */
  @Delete(':id')
  @ApiOperation({ operationId: 'revokeSession' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('session_not_found')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.sessions.remove(caller, caller.id, id);
  }
}

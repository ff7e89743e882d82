import { Body, Controller, Delete, Get, HttpCode, Post, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { SkipChangeLimit } from '../../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { bearerToken, identityTokens } from '../tokens/request-tokens.js';
import {
  CurrentSessionDto,
  DeviceSessionsPageDto,
  RefreshDto,
  SessionDto,
  SignOutAllQueryDto,
  SignOutDto,
} from './sessions.dto.js';
import { deviceOf } from './device.js';
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
   * once. A client that lost the answer sends it again, from the same network and browser, and gets the same tokens until it
   * uses the next refresh token. Any other use of an earlier refresh token revokes the session.
   */
  @Post('refresh')
  @ApiOperation({ operationId: 'refreshSession' })
  @Public()
  @HttpCode(200)
  @ApiProblems('invalid_token', 'token_expired', 'token_reused')
  refresh(@Body() { refresh_token }: RefreshDto, @Req() request: Request): Promise<SessionDto> {
    return this.refreshes.refresh(refresh_token, deviceOf(request));
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
  @SkipChangeLimit()
  @HttpCode(204)
  @ApiProblems('session_not_found')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.sessions.remove(caller, caller.id, id);
  }
}

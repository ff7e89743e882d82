import { Controller, Get, HttpCode, Post, Req, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { bearerCredentials } from '../../auth/tokens/request-tokens.js';
import { deviceOf } from '../../auth/sessions/device.js';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { NoHeadGuard } from '../../http/no-head.guard.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { toUserDto, UserDto } from '../../users/users.dto.js';
import { TmtarSessionDto } from './tmtar.dto.js';
import { TmtarService } from './tmtar.service.js';

const PROBLEMS = [
  'token_required',
  'invalid_token',
  'token_expired',
  'token_reused',
  'two_step_required',
  'rate_limited',
] as const;

/** Sign-in of the augmented-reality service, with an identity provider's token or a refresh token of Machi, and its profile. */
@ApiTags('tmtar')
@ApiBearerAuth()
@AcceptsBody('any')
@Controller('users')
export class TmtarController {
  constructor(private readonly tmtar: TmtarService) {}

  /** Signs in with an identity provider's access token, or renews the access token with a refresh token (augmented-reality service). */
  @Get('login')
  @UseGuards(NoHeadGuard)
  @Public()
  @ApiOperation({ operationId: 'loginAtTmtar' })
  @ApiProblems(...PROBLEMS, 'identity_provider_unavailable')
  login(@Req() request: Request): Promise<TmtarSessionDto> {
    return this.tmtar.login(bearerCredentials(request), deviceOf(request, 'tmtar'));
  }

  /** Signs in, or renews the access token, as GET does (augmented-reality service). */
  @Post('login')
  @Public()
  @ApiOperation({ operationId: 'loginAtTmtarByPost' })
  @HttpCode(200)
  @ApiProblems(...PROBLEMS, 'identity_provider_unavailable')
  loginByPost(@Req() request: Request): Promise<TmtarSessionDto> {
    return this.tmtar.login(bearerCredentials(request), deviceOf(request, 'tmtar'));
  }

  /** Returns the caller, as `GET /api/users/me` does (augmented-reality service). */
  @Get('profile')
  @SignedIn()
  @ApiOperation({ operationId: 'getTmtarProfile' })
  profile(@CurrentUser() caller: Caller): UserDto {
    return toUserDto(caller.profile, caller);
  }
}

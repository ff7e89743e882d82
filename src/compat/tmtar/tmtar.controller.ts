import { Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { bearerCredentials } from '../../auth/tokens/request-tokens.js';
import { deviceOf } from '../../auth/sessions/device.js';
import { AcceptsBody } from '../../http/body.guard.js';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import { TmtarSessionDto } from './tmtar.dto.js';
import { TmtarService } from './tmtar.service.js';

const PROBLEMS = ['token_required', 'invalid_token', 'token_expired', 'token_reused', 'rate_limited'] as const;

/** Sign-in route of the augmented-reality service: with an identity provider's token, or with a refresh token of Machi. */
@ApiTags('compat')
@ApiBearerAuth()
@AcceptsBody('any')
@Controller('users/login')
@Public()
export class TmtarController {
  constructor(private readonly tmtar: TmtarService) {}

  /** Signs in with an identity provider's access token, or renews the access token with a refresh token (augmented-reality service). */
  @Get()
  @ApiOperation({ operationId: 'loginAtTmtar' })
  @ApiProblems(...PROBLEMS, 'identity_provider_unavailable')
  login(@Req() request: Request): Promise<TmtarSessionDto> {
    return this.tmtar.login(bearerCredentials(request), deviceOf(request, 'tmtar'));
  }

  /** Same as GET. */
  @Post()
  @ApiOperation({ operationId: 'loginAtTmtarByPost' })
  @HttpCode(200)
  @ApiProblems(...PROBLEMS, 'identity_provider_unavailable')
  loginByPost(@Req() request: Request): Promise<TmtarSessionDto> {
    return this.tmtar.login(bearerCredentials(request), deviceOf(request, 'tmtar'));
  }
}

import { Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { AcceptsBody } from '../../http/body.guard.js';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import { TmtarSessionDto } from './tmtar.dto.js';
import { TmtarService } from './tmtar.service.js';

const PROBLEMS = ['token_required', 'invalid_token', 'token_expired', 'token_reused', 'rate_limited'] as const;

/** The sign-in of the augmented-reality service: by the token of an identity provider, or by a refresh token of ours. */
@ApiTags('compat')
@ApiBearerAuth()
@AcceptsBody('any')
@Controller('users/login')
@Public()
export class TmtarController {
  constructor(private readonly tmtar: TmtarService) {}

  /** Signs in by the access token of an identity provider, or gets another access token for a refresh token. */
  @Get()
  @ApiProblems(...PROBLEMS, 'identity_provider_unavailable')
  login(@Req() request: Request): Promise<TmtarSessionDto> {
    return this.tmtar.login(request);
  }

  /** The same. */
  @Post()
  @HttpCode(200)
  @ApiProblems(...PROBLEMS, 'identity_provider_unavailable')
  loginByPost(@Req() request: Request): Promise<TmtarSessionDto> {
    return this.tmtar.login(request);
  }
}

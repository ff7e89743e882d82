import { Body, Controller, Post, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { deviceOf } from '../sessions/device.js';
import { MaySetRefreshCookie } from '../sessions/refresh-cookie.interceptor.js';
import { SessionDto } from '../sessions/sessions.dto.js';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import { TokenExchangeDto } from './external-identities.dto.js';
import { ExternalIdentitiesService } from './external-identities.service.js';

@ApiTags('sessions')
@Controller('sessions')
export class TokenExchangeController {
  constructor(private readonly identities: ExternalIdentitiesService) {}

  /** Signs in with a token of an identity provider. The first sign-in creates a user without a password. */
  @Post('exchange')
  @ApiOperation({ operationId: 'exchangeToken' })
  @Public()
  @MaySetRefreshCookie()
  @ApiProblems(
    'invalid_token',
    'token_expired',
    'two_step_required',
    'unknown_identity_provider',
    'identity_provider_unavailable',
    'rate_limited',
    'busy',
  )
  exchange(@Body() dto: TokenExchangeDto, @Req() request: Request): Promise<SessionDto> {
    return this.identities.exchange(dto, deviceOf(request));
  }
}

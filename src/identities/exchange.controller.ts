import { Body, Controller, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { deviceOf } from '../auth/device.js';
import { SessionDto } from '../auth/sessions.dto.js';
import { Problems, Public } from '../permissions/access.js';
import { ExchangeDto } from './identities.dto.js';
import { IdentitiesService } from './identities.service.js';

@ApiTags('sessions')
@Controller('sessions')
export class ExchangeController {
  constructor(private readonly identities: IdentitiesService) {}

  /** Signs in by a token of an identity provider. Whoever has not been here before gets an account, without a password. */
  @Post('exchange')
  @Public()
  @Problems(
    'invalid_token',
    'token_expired',
    'two_step_required',
    'unknown_identity_provider',
    'identity_provider_unavailable',
    'rate_limited',
    'busy',
  )
  exchange(@Body() dto: ExchangeDto, @Req() request: Request): Promise<SessionDto> {
    return this.identities.exchange(dto, deviceOf(request));
  }
}

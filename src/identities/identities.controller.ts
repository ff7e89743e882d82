import { Body, Controller, Delete, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { deviceOf } from '../auth/device.js';
import { SessionDto } from '../auth/sessions.dto.js';
import { UuidParam } from '../common/validation.js';
import { Problems, Public, SignedIn } from '../permissions/access.js';
import { type CurrentUser, Me } from '../users/current-user.js';
import { ExchangeDto, IdentityDto, toIdentityDto } from './identities.dto.js';
import { IdentitiesService } from './identities.service.js';

@Controller()
export class IdentitiesController {
  constructor(private readonly identities: IdentitiesService) {}

  /** Signs in by a token of an identity provider. Whoever has not been here before gets an account, without a password. */
  @Post('sessions/exchange')
  @ApiTags('sessions')
  @Public()
  @Problems(
    'invalid_token',
    'token_expired',
    'two_step_required',
    'unknown_identity_provider',
    'identity_provider_unavailable',
    'busy',
  )
  exchange(@Body() dto: ExchangeDto, @Req() request: Request): Promise<SessionDto> {
    return this.identities.exchange(dto, deviceOf(request));
  }

  /** The accounts elsewhere by which the caller can sign in. */
  @Get('users/me/identities')
  @ApiTags('users')
  @SignedIn()
  async list(@Me() me: CurrentUser): Promise<IdentityDto[]> {
    return (await this.identities.list(me)).map(toIdentityDto);
  }

  /** Lets the caller sign in by an account elsewhere, too. */
  @Post('users/me/identities')
  @ApiTags('users')
  @SignedIn()
  @Problems('identity_taken', 'identity_token_refused', 'unknown_identity_provider', 'identity_provider_unavailable')
  async link(@Me() me: CurrentUser, @Body() dto: ExchangeDto): Promise<IdentityDto> {
    return toIdentityDto(await this.identities.link(me, dto));
  }

  /** Lets the caller no longer sign in by this account elsewhere. */
  @Delete('users/me/identities/:id')
  @ApiTags('users')
  @SignedIn()
  @HttpCode(204)
  @Problems('identity_not_found', 'last_way_to_sign_in')
  remove(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<void> {
    return this.identities.remove(me, id);
  }
}

import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../common/validation.js';
import { Problems, SignedIn } from '../permissions/access.js';
import { type CurrentUser, Me } from '../users/current-user.js';
import { IdentityDto, LinkDto, toIdentityDto } from './identities.dto.js';
import { IdentitiesService } from './identities.service.js';

@ApiTags('users')
@Controller('users/me/identities')
export class IdentitiesController {
  constructor(private readonly identities: IdentitiesService) {}

  /** The accounts elsewhere by which the caller can sign in. */
  @Get()
  @SignedIn()
  async list(@Me() me: CurrentUser): Promise<IdentityDto[]> {
    return (await this.identities.list(me)).map(toIdentityDto);
  }

  /** Lets the caller sign in by an account elsewhere, too. */
  @Post()
  @SignedIn()
  @Problems(
    'identity_taken',
    'identity_token_refused',
    'unknown_identity_provider',
    'identity_provider_unavailable',
    'wrong_password',
    'sign_in_again',
    'rate_limited',
    'busy',
  )
  async link(@Me() me: CurrentUser, @Body() dto: LinkDto): Promise<IdentityDto> {
    return toIdentityDto(await this.identities.link(me, dto));
  }

  /** Lets the caller no longer sign in by this account elsewhere. */
  @Delete(':id')
  @SignedIn()
  @HttpCode(204)
  @Problems('identity_not_found', 'last_way_to_sign_in')
  remove(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<void> {
    return this.identities.remove(me, id);
  }
}

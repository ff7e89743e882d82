import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CurrentPasswordDto } from '../reauthentication.dto.js';
import { ExternalIdentityDto, LinkIdentityDto, toExternalIdentityDto } from './external-identities.dto.js';
import { ExternalIdentitiesService } from './external-identities.service.js';

@ApiTags('users')
@Controller('users/me/identities')
export class ExternalIdentitiesController {
  constructor(private readonly identities: ExternalIdentitiesService) {}

  /** Returns the external identities with which the caller can sign in. */
  @Get()
  @ApiOperation({ operationId: 'listIdentities' })
  @SignedIn()
  async list(@CurrentUser() caller: Caller): Promise<ExternalIdentityDto[]> {
    return (await this.identities.list(caller)).map(toExternalIdentityDto);
  }

  /** Links an external identity to the caller. */
  @Post()
  @ApiOperation({ operationId: 'linkIdentity' })
  @SignedIn()
  @ApiProblems(
    'identity_taken',
    'identity_token_refused',
    'unknown_identity_provider',
    'identity_provider_unavailable',
    'wrong_password',
    'sign_in_again',
    'rate_limited',
    'busy',
  )
  async link(@CurrentUser() caller: Caller, @Body() dto: LinkIdentityDto): Promise<ExternalIdentityDto> {
    return toExternalIdentityDto(await this.identities.link(caller, dto));
  }

  /** Unlinks an external identity; the last sign-in method cannot be removed. */
  @Delete(':id')
  @ApiOperation({ operationId: 'unlinkIdentity' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('identity_not_found', 'last_way_to_sign_in', 'wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  remove(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() { current_password }: CurrentPasswordDto,
  ): Promise<void> {
    return this.identities.remove(caller, id, current_password);
  }
}

import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { deviceOf } from '../auth/device.js';
import { UuidParam } from '../common/validation.js';
import { Problems, SignedIn } from '../permissions/access.js';
import { type CurrentUser, Me } from '../users/current-user.js';
import { CurrentPasswordDto } from '../users/reauthentication.dto.js';
import { CreationOptionsDto } from './options.dto.js';
import { CreatePasskeyDto, PasskeyDto, toPasskeyDto, UpdatePasskeyDto } from './passkeys.dto.js';
import { PasskeysService } from './passkeys.service.js';

@ApiTags('passkeys')
@Controller('users/me/passkeys')
export class PasskeysController {
  constructor(private readonly passkeys: PasskeysService) {}

  /** Begins to register a passkey: what to hand to `navigator.credentials.create()`. Good for one answer, for five minutes. */
  @Post('options')
  @SignedIn()
  @HttpCode(200)
  @Problems('wrong_password', 'sign_in_again', 'rate_limited', 'too_many_passkeys', 'busy')
  options(@Me() me: CurrentUser, @Body() { current_password }: CurrentPasswordDto): Promise<CreationOptionsDto> {
    return this.passkeys.options(me, current_password);
  }

  /** Registers the passkey that the browser made. */
  @Post()
  @SignedIn()
  @Problems('passkey_refused', 'passkey_taken', 'too_many_passkeys')
  async create(@Me() me: CurrentUser, @Body() dto: CreatePasskeyDto, @Req() request: Request): Promise<PasskeyDto> {
    return toPasskeyDto(await this.passkeys.create(me, dto, deviceOf(request)));
  }

  /** The caller's passkeys. */
  @Get()
  @SignedIn()
  async list(@Me() me: CurrentUser): Promise<PasskeyDto[]> {
    const passkeys = await this.passkeys.list(me);
    return passkeys.map(toPasskeyDto);
  }

  /** Renames a passkey. */
  @Patch(':id')
  @SignedIn()
  @Problems('passkey_not_found')
  async update(@Me() me: CurrentUser, @UuidParam('id') id: string, @Body() dto: UpdatePasskeyDto): Promise<PasskeyDto> {
    return toPasskeyDto(await this.passkeys.update(me, id, dto));
  }

  /** Removes a passkey; not the last way to sign in. */
  @Delete(':id')
  @SignedIn()
  @HttpCode(204)
  @Problems('passkey_not_found', 'last_way_to_sign_in')
  remove(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<void> {
    return this.passkeys.remove(me, id);
  }
}

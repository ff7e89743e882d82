import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { deviceOf } from '../sessions/device.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CurrentPasswordDto } from '../reauthentication.dto.js';
import { CreationOptionsDto } from './options.dto.js';
import { CreatePasskeyDto, PasskeyDto, toPasskeyDto, UpdatePasskeyDto } from './passkeys.dto.js';
import { PasskeysService } from './passkeys.service.js';

@ApiTags('passkeys')
@Controller('users/me/passkeys')
export class PasskeysController {
  constructor(private readonly passkeys: PasskeysService) {}

  /** Starts the registration of a passkey: returns the options for `navigator.credentials.create()`, valid for one response within five minutes. */
  @Post('options')
  @ApiOperation({ operationId: 'startPasskeyRegistration' })
  @SignedIn()
  @HttpCode(200)
  @ApiProblems('wrong_password', 'sign_in_again', 'rate_limited', 'too_many_passkeys', 'busy')
  options(
    @CurrentUser() caller: Caller,
    @Body() { current_password }: CurrentPasswordDto,
  ): Promise<CreationOptionsDto> {
    return this.passkeys.createOptions(caller, current_password);
  }

  /** Registers the passkey that the browser has created. */
  @Post()
  @ApiOperation({ operationId: 'createPasskey' })
  @SignedIn()
  @ApiProblems('passkey_refused', 'passkey_taken', 'too_many_passkeys')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreatePasskeyDto,
    @Req() request: Request,
  ): Promise<PasskeyDto> {
    return toPasskeyDto(await this.passkeys.create(caller, dto, deviceOf(request)));
  }

  /** Returns the caller's passkeys. */
  @Get()
  @ApiOperation({ operationId: 'listPasskeys' })
  @SignedIn()
  async list(@CurrentUser() caller: Caller): Promise<PasskeyDto[]> {
    const passkeys = await this.passkeys.list(caller);
    return passkeys.map(toPasskeyDto);
  }

  /** Renames a passkey. */
  @Patch(':id')
  @ApiOperation({ operationId: 'renamePasskey' })
  @SignedIn()
  @ApiProblems('passkey_not_found')
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: UpdatePasskeyDto,
  ): Promise<PasskeyDto> {
    return toPasskeyDto(await this.passkeys.update(caller, id, dto));
  }

  /** Removes a passkey; the last sign-in method cannot be removed. */
  @Delete(':id')
  @ApiOperation({ operationId: 'deletePasskey' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('passkey_not_found', 'last_way_to_sign_in', 'wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  remove(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() { current_password }: CurrentPasswordDto,
  ): Promise<void> {
    return this.passkeys.remove(caller, id, current_password);
  }
}

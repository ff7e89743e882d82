import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, RequirePermissions, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CurrentPasswordDto } from '../reauthentication.dto.js';
import { CodeDto, RecoveryCodesDto, TwoFactorChangeDto, TwoFactorDto, TwoFactorSecretDto } from './two-factor.dto.js';
import { TwoFactorService } from './two-factor.service.js';

const CHANGE_PROBLEMS = [
  'two_step_not_found',
  'wrong_password',
  'sign_in_again',
  'wrong_code',
  'too_many_codes',
  'rate_limited',
  'busy',
] as const;

/** The `two-step` paths are the deprecated names of 0.1.0. */
@ApiTags('two-factor authentication')
@Controller('users')
export class TwoFactorController {
  constructor(private readonly twoFactor: TwoFactorService) {}

  /** Returns whether the caller's sign-in requires a code. */
  @Get(['me/two-factor', 'me/two-step'])
  @ApiOperation({ operationId: 'getTwoFactor' })
  @SignedIn()
  get(@CurrentUser() caller: Caller): Promise<TwoFactorDto> {
    return this.twoFactor.get(caller);
  }

  /** Starts the setup: returns a secret for the authenticator app, which takes effect once it is confirmed. */
  @Post(['me/two-factor', 'me/two-step'])
  @ApiOperation({ operationId: 'startTwoFactorSetup' })
  @SignedIn()
  @ApiProblems('two_step_on', 'wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  startSetup(
    @CurrentUser() caller: Caller,
    @Body() { current_password }: CurrentPasswordDto,
  ): Promise<TwoFactorSecretDto> {
    return this.twoFactor.startSetup(caller, current_password);
  }

  /** Enables two-factor authentication with a first code. Returns the recovery codes and ends the caller's other sessions. */
  @Post(['me/two-factor/confirm', 'me/two-step/confirm'])
  @ApiOperation({ operationId: 'confirmTwoFactorSetup' })
  @SignedIn()
  @HttpCode(200)
  @ApiProblems('wrong_code', 'two_step_on', 'two_step_not_found', 'rate_limited')
  confirmSetup(@CurrentUser() caller: Caller, @Body() { code }: CodeDto): Promise<RecoveryCodesDto> {
    return this.twoFactor.confirmSetup(caller, code);
  }

  /** Creates new recovery codes, with the password and a code; the old ones become invalid. */
  @Post(['me/two-factor/recovery-codes', 'me/two-step/recovery-codes'])
  @ApiOperation({ operationId: 'renewRecoveryCodes' })
  @SignedIn()
  @ApiProblems(...CHANGE_PROBLEMS)
  renewRecoveryCodes(@CurrentUser() caller: Caller, @Body() dto: TwoFactorChangeDto): Promise<RecoveryCodesDto> {
    return this.twoFactor.renewRecoveryCodes(caller, dto);
  }

  /** Disables two-factor authentication, with the password and a code of the authenticator app or a recovery code. */
  @Delete(['me/two-factor', 'me/two-step'])
  @ApiOperation({ operationId: 'disableTwoFactor' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems(...CHANGE_PROBLEMS)
  disable(@CurrentUser() caller: Caller, @Body() dto: TwoFactorChangeDto): Promise<void> {
    return this.twoFactor.disable(caller, dto);
  }

  /** Disables a user's two-factor authentication, for users who have lost their phone and their recovery codes. */
  @Delete([':id/two-factor', ':id/two-step'])
  @ApiOperation({ operationId: 'disableTwoFactorOfUser' })
  @RequirePermissions('admin')
  @HttpCode(204)
  @ApiProblems('two_step_not_found')
  disableFor(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.twoFactor.disableFor(caller, id);
  }
}

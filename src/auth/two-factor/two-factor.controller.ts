import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, RequirePermissions, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CurrentPasswordDto } from '../reauthentication.dto.js';
import { CodeDto, RecoveryCodesDto, TwoFactorDto, TwoFactorSecretDto } from './two-factor.dto.js';
import { TwoFactorService } from './two-factor.service.js';

@ApiTags('two-step sign-in')
@Controller('users')
export class TwoFactorController {
  constructor(private readonly twoFactor: TwoFactorService) {}

  /** Whether signing in asks the caller for a second step. */
  @Get('me/two-step')
  @SignedIn()
  get(@CurrentUser() caller: Caller): Promise<TwoFactorDto> {
    return this.twoFactor.get(caller);
  }

  /** Begins to turn it on: a secret for the authenticator app. It counts once it is confirmed; until then, ask again for another. */
  @Post('me/two-step')
  @SignedIn()
  @ApiProblems('two_step_on', 'wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  begin(@CurrentUser() caller: Caller, @Body() { current_password }: CurrentPasswordDto): Promise<TwoFactorSecretDto> {
    return this.twoFactor.begin(caller, current_password);
  }

  /** Turns it on with a first code. Answers the recovery codes, and ends the caller's other sessions. */
  @Post('me/two-step/confirm')
  @SignedIn()
  @HttpCode(200)
  @ApiProblems('wrong_code', 'two_step_on', 'two_step_not_found', 'rate_limited')
  confirm(@CurrentUser() caller: Caller, @Body() { code }: CodeDto): Promise<RecoveryCodesDto> {
    return this.twoFactor.confirm(caller, code);
  }

  /** New recovery codes; the old ones count no more. */
  @Post('me/two-step/recovery-codes')
  @SignedIn()
  @ApiProblems('two_step_not_found', 'wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  renewRecoveryCodes(
    @CurrentUser() caller: Caller,
    @Body() { current_password }: CurrentPasswordDto,
  ): Promise<RecoveryCodesDto> {
    return this.twoFactor.renewRecoveryCodes(caller, current_password);
  }

  /** Turns it off. */
  @Delete('me/two-step')
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('two_step_not_found', 'wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  removeMine(@CurrentUser() caller: Caller, @Body() { current_password }: CurrentPasswordDto): Promise<void> {
    return this.twoFactor.removeMine(caller, current_password);
  }

  /** Turns a user's off: for people who have lost their phone and their recovery codes. */
  @Delete(':id/two-step')
  @RequirePermissions('admin')
  @HttpCode(204)
  @ApiProblems('two_step_not_found')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.twoFactor.remove(caller, id);
  }
}

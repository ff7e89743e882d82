import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../common/validation.js';
import { Problems, RequirePermissions, SignedIn } from '../permissions/access.js';
import { type CurrentUser, Me } from '../users/current-user.js';
import { CurrentPasswordDto } from '../users/reauthentication.dto.js';
import { CodeDto, RecoveryCodesDto, TwoStepDto, TwoStepSecretDto } from './two-step.dto.js';
import { TwoStepService } from './two-step.service.js';

@ApiTags('two-step sign-in')
@Controller('users')
export class TwoStepController {
  constructor(private readonly twoStep: TwoStepService) {}

  /** Whether signing in asks the caller for a second step. */
  @Get('me/two-step')
  @SignedIn()
  get(@Me() me: CurrentUser): Promise<TwoStepDto> {
    return this.twoStep.get(me);
  }

  /** Begins to turn it on: a secret for the authenticator app. It counts once it is confirmed; until then, ask again for another. */
  @Post('me/two-step')
  @SignedIn()
  @Problems('two_step_on', 'wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  begin(@Me() me: CurrentUser, @Body() { current_password }: CurrentPasswordDto): Promise<TwoStepSecretDto> {
    return this.twoStep.begin(me, current_password);
  }

  /** Turns it on with a first code. Answers the recovery codes, and ends the caller's other sessions. */
  @Post('me/two-step/confirm')
  @SignedIn()
  @HttpCode(200)
  @Problems('wrong_code', 'two_step_on', 'two_step_not_found', 'rate_limited')
  confirm(@Me() me: CurrentUser, @Body() { code }: CodeDto): Promise<RecoveryCodesDto> {
    return this.twoStep.confirm(me, code);
  }

  /** New recovery codes; the old ones count no more. */
  @Post('me/two-step/recovery-codes')
  @SignedIn()
  @Problems('two_step_not_found', 'wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  renewRecoveryCodes(
    @Me() me: CurrentUser,
    @Body() { current_password }: CurrentPasswordDto,
  ): Promise<RecoveryCodesDto> {
    return this.twoStep.renewRecoveryCodes(me, current_password);
  }

  /** Turns it off. */
  @Delete('me/two-step')
  @SignedIn()
  @HttpCode(204)
  @Problems('two_step_not_found', 'wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  removeMine(@Me() me: CurrentUser, @Body() { current_password }: CurrentPasswordDto): Promise<void> {
    return this.twoStep.removeMine(me, current_password);
  }

  /** Turns a user's off: for people who have lost their phone and their recovery codes. */
  @Delete(':id/two-step')
  @RequirePermissions('admin')
  @HttpCode(204)
  @Problems('two_step_not_found')
  remove(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<void> {
    return this.twoStep.remove(me, id);
  }
}

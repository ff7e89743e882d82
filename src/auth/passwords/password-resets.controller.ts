import { Body, Controller, HttpCode, Post, Put } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { MAIL_ACCEPTED, MailAcceptedDto } from '../../mail/mail.dto.js';
import { ApiProblems, Public, RequirePermissions } from '../../permissions/access.decorators.js';
import { NEW_PASSWORD_QUOTA, PASSWORD_RESET_QUOTA, RESET_CODE_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { RequestResetDto, ResetPasswordDto, ResetTokenDto, ValidateCodeDto } from './password-resets.dto.js';
import { PasswordResetsService } from './password-resets.service.js';

/** Password resets by a mailed code. */
@ApiTags('password resets')
@Controller()
export class PasswordResetsController {
  constructor(private readonly resets: PasswordResetsService) {}

  /** Mails a code for a new password to the user with this address. The response is the same for unknown addresses. */
  @Post('password-resets')
  @ApiOperation({ operationId: 'requestPasswordReset' })
  @Public()
  @HttpCode(202)
  @RateLimit(PASSWORD_RESET_QUOTA)
  async request(@Body() { email }: RequestResetDto): Promise<MailAcceptedDto> {
    await this.resets.request(email);
    return MAIL_ACCEPTED;
  }

  /** Exchanges the newest mailed code for a reset token: once, within ten minutes, in at most five attempts. */
  @Post('password-resets/validate')
  @ApiOperation({ operationId: 'validatePasswordResetCode' })
  @Public()
  @HttpCode(200)
  @RateLimit(RESET_CODE_QUOTA)
  @ApiProblems('invalid_code')
  async validate(@Body() { email, code }: ValidateCodeDto): Promise<ResetTokenDto> {
    return { reset_token: await this.resets.validate(email, code) };
  }

  /**
   * Sets the new password, revokes all sessions of the user, and removes sign-in methods that were added lately; all of
   * them, if the address had not been verified before. A mail lists what was removed and what was kept.
   */
  @Put('password-resets')
  @ApiOperation({ operationId: 'resetPassword' })
  @Public()
  @HttpCode(204)
  @RateLimit(NEW_PASSWORD_QUOTA)
  @ApiProblems('invalid_reset_token', 'password_refused', 'busy')
  reset(@Body() dto: ResetPasswordDto): Promise<void> {
    return this.resets.reset(dto);
  }

  /** Mails a user a code for a new password, which only the user receives. */
  @Post('users/:id/password-reset')
  @ApiOperation({ operationId: 'requestPasswordResetOfUser' })
  @RequirePermissions('admin')
  @HttpCode(202)
  @ApiProblems('user_not_found', 'user_deactivated', 'no_email', 'too_many_mails')
  async requestFor(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<MailAcceptedDto> {
    await this.resets.requestFor(caller, id);
    return MAIL_ACCEPTED;
  }
}

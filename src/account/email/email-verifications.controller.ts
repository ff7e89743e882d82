import { Body, Controller, Delete, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { MAIL_ACCEPTED, MailAcceptedDto } from '../../mail/mail.dto.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { EmailLinkDto, VerifyEmailDto } from './email-verifications.dto.js';
import { EmailVerificationsService } from './email-verifications.service.js';

/** Verification of e-mail addresses by API. `EmailVerificationPagesController` has the pages of the mailed link. */
@ApiTags('users')
@Controller()
export class EmailVerificationsController {
  constructor(
    private readonly verifications: EmailVerificationsService,
    private readonly authenticator: AuthenticatorService,
  ) {}

  /**
   * Mails the caller a link that verifies the e-mail address, or the new address of a pending change. Mails nothing if there
   * is none to verify.
   */
  @Post('users/me/email-verification')
  @ApiOperation({ operationId: 'sendEmailVerification' })
  @SignedIn()
  @HttpCode(202)
  async send(@CurrentUser() caller: Caller): Promise<MailAcceptedDto> {
    await this.verifications.resend(caller);
    return MAIL_ACCEPTED;
  }

  /**
   * Verifies an e-mail address by the token of the mailed link, which works once within 24 hours. The caller is signed in to
   * the account, or sends its password: the link alone does not prove whose account it is. A verified new address replaces
   * the old one and revokes all sessions.
   */
  @Post('email-verifications')
  @ApiOperation({ operationId: 'verifyEmail' })
  @Public()
  @ApiBearerAuth()
  @HttpCode(204)
  @ApiProblems('invalid_link', 'account_proof_required', 'wrong_password', 'email_taken', 'rate_limited', 'busy')
  async verify(@Body() { token, password }: VerifyEmailDto, @Req() request: Request): Promise<void> {
    const isSignedIn = /^bearer /i.test(request.headers.authorization ?? '');
    const caller = isSignedIn ? await this.authenticator.authenticate(request) : undefined;
    await this.verifications.verify(token, { caller, password });
  }

  /** Removes the address of the mailed link from its account, for the owner of a mailbox who did not register that account. */
  @Delete('email-verifications')
  @ApiOperation({ operationId: 'disownEmail' })
  @Public()
  @HttpCode(204)
  @ApiProblems('invalid_link')
  disown(@Body() { token }: EmailLinkDto): Promise<void> {
    return this.verifications.disown(token);
  }
}

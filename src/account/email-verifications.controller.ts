import { Body, Controller, Get, Header, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { MAIL_ACCEPTED, MailAcceptedDto } from '../mail/mail.dto.js';
import { ApiProblems, Public, SignedIn } from '../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../users/caller.js';
import { VerifyEmailDto } from './email-verifications.dto.js';
import { CONFIRM_PAGE, INVALID_LINK_PAGE, VERIFIED_PAGE } from './email-verifications.page.js';
import { EmailVerificationsService } from './email-verifications.service.js';

const HTML = { 'text/html': { schema: { type: 'string' } } } as const;

/** Verification of e-mail addresses, by API and by browser. */
@ApiTags('users')
@Controller()
export class EmailVerificationsController {
  constructor(private readonly verifications: EmailVerificationsService) {}

  /** Mails the caller a link that verifies the e-mail address. Mails nothing if it is verified or missing. */
  @Post('users/me/email-verification')
  @ApiOperation({ operationId: 'sendEmailVerification' })
  @SignedIn()
  @HttpCode(202)
  async send(@CurrentUser() caller: Caller): Promise<MailAcceptedDto> {
    await this.verifications.resend(caller);
    return MAIL_ACCEPTED;
  }

  /** Verifies an e-mail address by the token of the mailed link, which works once within 24 hours. */
  @Post('email-verifications')
  @ApiOperation({ operationId: 'verifyEmail' })
  @Public()
  @HttpCode(204)
  @ApiProblems('invalid_link')
  verify(@Body() { token }: VerifyEmailDto): Promise<void> {
    return this.verifications.assertVerified(token);
  }

  /** Returns the page that the mailed link opens in a browser. Its button verifies the address; opening it does not. */
  @Get('email-verifications/:token')
  @ApiOperation({ operationId: 'showEmailVerificationPage' })
  @Public()
  @Header('content-type', 'text/html; charset=utf-8')
  @ApiOkResponse({ description: 'A page.', content: HTML })
  page(@Param('token') _token: string): string {
    return CONFIRM_PAGE;
  }

  /** Verifies the e-mail address for the button of that page. Returns a page, with status 404 if the link is not valid. */
  @Post('email-verifications/:token')
  @ApiOperation({ operationId: 'confirmEmailVerificationPage' })
  @Public()
  @Header('content-type', 'text/html; charset=utf-8')
  @ApiOkResponse({ description: 'A page.', content: HTML })
  async confirm(@Param('token') token: string, @Res({ passthrough: true }) response: Response): Promise<string> {
    const { status, html } = (await this.verifications.verify(token)) ? VERIFIED_PAGE : INVALID_LINK_PAGE;
    response.status(status);
    return html;
  }
}

import { applyDecorators, Body, Controller, Get, Header, Param, Post, Res, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { HTML_CONTENT } from '../../http/html-page.js';
import { Problem } from '../../http/problems/problem.js';
import { UrlencodedInterceptor } from '../../http/bodies/urlencoded.interceptor.js';
import { assertValid } from '../../http/validation.js';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import { ConfirmEmailFormDto } from './email-verifications.dto.js';
import {
  CONFIRMED_PAGE,
  confirmPage,
  DISOWNED_PAGE,
  INVALID_LINK_PAGE,
  problemPage,
} from './email-verifications.page.js';
import { EmailVerificationsService } from './email-verifications.service.js';

/** Documents a page for success and for each problem of the link and of the password. */
const ApiPages = (): MethodDecorator =>
  applyDecorators(
    ...[200, 400, 403, 404, 409, 422, 429, 503].map((status) =>
      ApiResponse({ status, description: 'A page.', content: HTML_CONTENT }),
    ),
  );

/** The pages of the link that is mailed to an e-mail address. */
@ApiTags('users')
@Controller('email-verifications/:token')
@Public()
export class EmailVerificationPagesController {
  constructor(private readonly verifications: EmailVerificationsService) {}

  /** Returns the page that the mailed link opens in a browser. Opening the page changes nothing; its buttons do. */
  @Get()
  @ApiOperation({ operationId: 'showEmailVerificationPage' })
  @Header('content-type', 'text/html; charset=utf-8')
  @ApiOkResponse({ description: 'A page.', content: HTML_CONTENT })
  page(@Param('token') _token: string): string {
    return confirmPage();
  }

  /**
   * Verifies the address with the password of the account, or removes it from the account, for the buttons of that page.
   * Returns a page, also for problems, with their status.
   */
  @Post()
  @ApiOperation({ operationId: 'confirmEmailVerificationPage' })
  @AcceptsBody('any')
  @UseInterceptors(UrlencodedInterceptor)
  @Header('content-type', 'text/html; charset=utf-8')
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ type: ConfirmEmailFormDto })
  @ApiPages()
  @ApiProblems('malformed_form', 'body_too_large', 'unsupported_media_type')
  async submit(
    @Param('token') token: string,
    @Body() form: { action?: unknown },
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    try {
      const page = await (form.action === 'disown' ? this.disown(token) : this.confirm(token, form));
      response.status(200);
      return page;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      response.status(error.getStatus()).set(error.headers);
      return pageOf(error);
    }
  }

  private async confirm(token: string, form: object): Promise<string> {
    const { password } = assertValid(ConfirmEmailFormDto, form);
    await this.verifications.verify(token, { password });
    return CONFIRMED_PAGE;
  }

  private async disown(token: string): Promise<string> {
    await this.verifications.disown(token);
    return DISOWNED_PAGE;
  }
}

function pageOf({ code, message }: Problem): string {
  if (code === 'invalid_link') return INVALID_LINK_PAGE;
  if (code === 'validation_failed') return confirmPage('Enter the password of the account.');
  return code === 'wrong_password' ? confirmPage(message) : problemPage(message);
}

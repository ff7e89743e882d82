import { Controller, Get, Header, Param, Post, Res } from '@nestjs/common';
import { ApiNotFoundResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { HTML_CONTENT } from '../../http/html-page.js';
import { Problem } from '../../http/problems/problem.js';
import { Public } from '../../permissions/access.decorators.js';
import { RESET_CODE_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { INVALID_REMOVAL_PAGE, REMOVAL_PAGE, REMOVED_PAGE } from './method-removal-links.page.js';
import { MethodRemovalLinksService } from './method-removal-links.service.js';

/** The pages of the link in the mail about a password reset. */
@ApiTags('password resets')
@Controller('sign-in-method-removals/:token')
@Public()
export class MethodRemovalLinksController {
  constructor(private readonly links: MethodRemovalLinksService) {}

  /** Returns the page that the mailed link opens. Opening the page changes nothing; its button removes the sign-in methods. */
  @Get()
  @ApiOperation({ operationId: 'showMethodRemovalPage' })
  @Header('content-type', 'text/html; charset=utf-8')
  @ApiOkResponse({ description: 'A page.', content: HTML_CONTENT })
  page(@Param('token') _token: string): string {
    return REMOVAL_PAGE;
  }

  /**
   * Removes the passkeys and external identities that a password reset has kept, and signs all devices out. Returns a page,
   * with status 404 if the link is not valid: it works once, within seven days, and a later reset replaces it.
   */
  @Post()
  @ApiOperation({ operationId: 'confirmMethodRemovalPage' })
  @RateLimit(RESET_CODE_QUOTA)
  @Header('content-type', 'text/html; charset=utf-8')
  @ApiOkResponse({ description: 'A page.', content: HTML_CONTENT })
  @ApiNotFoundResponse({ description: 'A page: the link is not valid.', content: HTML_CONTENT })
  async redeem(@Param('token') token: string, @Res({ passthrough: true }) response: Response): Promise<string> {
    try {
      await this.links.redeem(token);
      response.status(200);
      return REMOVED_PAGE;
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'invalid_link') throw error;
      response.status(404);
      return INVALID_REMOVAL_PAGE;
    }
  }
}

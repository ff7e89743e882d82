import { Body, Controller, Get, Header, Post, Req, UseFilters, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { PROBLEMS } from '../../http/problems/problem-catalogue.js';
import { Public } from '../../permissions/access.decorators.js';
import { REGISTRATION_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { AnyJsonInterceptor } from '../any-json.interceptor.js';
import { ChatappRegisterDto } from './chatapp.dto.js';
import { ChatappService } from './chatapp.service.js';
import { CHATAPP_ERRORS, PlainText, PlainTextFilter } from './plain-text.filter.js';

const TEXT = ['content-type', 'text/plain; charset=utf-8'] as const;

/**
 * Routes of the chat app: plain-text responses and errors, JSON bodies with any Content-Type. Its `POST /auth/login` is in
 * SharedLoginController.
 */
@ApiTags('chatapp')
@AcceptsBody('any')
@Controller()
@Public()
@UseFilters(PlainTextFilter)
export class ChatappController {
  constructor(
    private readonly chatapp: ChatappService,
    private readonly authenticator: AuthenticatorService,
  ) {}

  /** Registers a user (chat app). */
  @RateLimit(REGISTRATION_QUOTA)
  @Post('register')
  @ApiOperation({ operationId: 'registerAtChatapp' })
  @UseInterceptors(AnyJsonInterceptor)
  @Header(...TEXT)
  @ApiBody({ type: ChatappRegisterDto })
  @PlainText({
    201: ['registered'],
    ...CHATAPP_ERRORS,
    409: ['username already exists'],
  })
  async register(@Body() body: object): Promise<string> {
    await this.chatapp.register(body);
    return 'registered';
  }

  /** Returns a greeting for the user of the cookie `login-token` (chat app). */
  @Get('auth/verify')
  @ApiOperation({ operationId: 'verifyAtChatapp' })
  @Header(...TEXT)
  @PlainText({
    200: ['Hello, hana.sato'],
    401: ['login-token required', 'invalid login-token'],
    503: [PROBLEMS.database_unavailable[1]],
  })
  async verify(@Req() request: Request): Promise<string> {
    const { profile } = await this.authenticator.authenticate(request);
    return `Hello, ${profile.username}`;
  }
}

import { Body, Controller, Get, Header, HttpCode, Post, Req, Res, UseFilters, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { presentedTokens } from '../../auth/tokens/request-tokens.js';
import { deviceOf } from '../../auth/sessions/device.js';
import { AcceptsBody } from '../../http/body.guard.js';
import { PROBLEMS } from '../../http/problem-catalogue.js';
import { Public } from '../../permissions/access.decorators.js';
import { REGISTRATION_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { AnyJsonInterceptor } from '../any-json.interceptor.js';
import { ChatappLoginDto, ChatappRegisterDto } from './chatapp.dto.js';
import { ChatappService } from './chatapp.service.js';
import { PlainText, PlainTextFilter } from './plain-text.filter.js';

const COMMON_ERRORS = {
  403: [PROBLEMS.foreign_origin[1]],
  413: [PROBLEMS.body_too_large[1]],
  429: [PROBLEMS.rate_limited[1]],
  503: [PROBLEMS.busy[1], PROBLEMS.database_unavailable[1]],
};
const TEXT = ['content-type', 'text/plain; charset=utf-8'] as const;

/** Routes of the chat app: plain-text responses and errors, JSON bodies with any Content-Type. */
@ApiTags('compat')
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
    400: ['not a valid json', 'username required', 'username should be a string', 'username should not be empty'],
    409: ['username already exists'],
    ...COMMON_ERRORS,
  })
  async register(@Body() body: object): Promise<string> {
    await this.chatapp.register(body);
    return 'registered';
  }

  /** Signs in (chat app). The identity token is set as the cookie `login-token`. */
  @Post('auth/login')
  @ApiOperation({ operationId: 'loginAtChatapp' })
  @UseInterceptors(AnyJsonInterceptor)
  @HttpCode(202)
  @Header(...TEXT)
  @ApiBody({ type: ChatappLoginDto })
  @PlainText({
    202: ['login successful'],
    400: ['not a valid json', 'username required', 'username should be a string', 'username should not be empty'],
    401: ['mismatch username and password'],
    ...COMMON_ERRORS,
  })
  async login(
    @Body() body: object,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    const cookie = await this.chatapp.login(body, deviceOf(request, 'chatapp'), presentedTokens(request));
    response.set('set-cookie', cookie);
    return 'login successful';
  }

  /** Returns a greeting for the user of the cookie `login-token` (chat app). */
  @Get('auth/verify')
  @ApiOperation({ operationId: 'verifyAtChatapp' })
  @Header(...TEXT)
  @PlainText({ 200: ['Hello, hana.sato'], 401: ['login-token required', 'invalid login-token'] })
  async verify(@Req() request: Request): Promise<string> {
    const { profile } = await this.authenticator.authenticate(request);
    return `Hello, ${profile.username}`;
  }
}

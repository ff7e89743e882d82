import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { deviceOf } from '../sessions/device.js';
import { MaySetRefreshCookie } from '../sessions/refresh-cookie.interceptor.js';
import { SessionDto } from '../sessions/sessions.dto.js';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import { SIGN_IN_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { RequestOptionsDto } from './options.dto.js';
import { PasskeySignInService } from './passkey-sign-in.service.js';
import { PasskeySignInDto } from './passkeys.dto.js';

@ApiTags('sessions')
@Controller('sessions/passkey')
export class PasskeySessionsController {
  constructor(private readonly signIns: PasskeySignInService) {}

  /** Starts a sign-in with a passkey: returns the options for `navigator.credentials.get()`, valid for one response within five minutes. */
  @Post('options')
  @ApiOperation({ operationId: 'startPasskeySignIn' })
  @Public()
  @HttpCode(200)
  @RateLimit(SIGN_IN_QUOTA)
  @ApiProblems('database_unavailable')
  options(): Promise<RequestOptionsDto> {
    return this.signIns.options();
  }

  /** Signs in with a passkey. No two-factor code is requested. */
  @Post()
  @ApiOperation({ operationId: 'signInWithPasskey' })
  @Public()
  @RateLimit(SIGN_IN_QUOTA)
  @MaySetRefreshCookie()
  @ApiProblems('invalid_passkey')
  signIn(@Body() { credential }: PasskeySignInDto, @Req() request: Request): Promise<SessionDto> {
    return this.signIns.signIn(credential, deviceOf(request));
  }
}

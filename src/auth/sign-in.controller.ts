import { Body, Controller, Post, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { ApiProblems, Public } from '../permissions/access.decorators.js';
import { SIGN_IN_QUOTA } from '../rate-limit/quotas.js';
import { RateLimit } from '../rate-limit/rate-limit.decorator.js';
import { deviceOf } from './sessions/device.js';
import { MaySetRefreshCookie } from './sessions/refresh-cookie.interceptor.js';
import { SessionDto, SignInDto } from './sessions/sessions.dto.js';
import { SignInService } from './sign-in.service.js';
import { presentedTokens } from './tokens/request-tokens.js';
import { TwoFactorSignInDto } from './two-factor/two-factor.dto.js';

@ApiTags('sessions')
@Controller('sessions')
export class SignInController {
  constructor(private readonly signIns: SignInService) {}

  /**
   * Signs in with a password. Opens a session and returns an identity token with its one refresh token. After five
   * failures for one login, each further failure doubles the waiting time. Send the user's last identity token as Bearer,
   * even an expired one, to have failures of this device counted on their own. With two-factor authentication on, a
   * correct password gets `two_step_required` with a challenge that is valid for five minutes. A page in a browser sends
   * `"refresh": "cookie"`: the refresh token is then an HttpOnly cookie and not in the answer.
   */
  @Post()
  @ApiOperation({ operationId: 'signIn' })
  @Public()
  @MaySetRefreshCookie()
  @ApiProblems('invalid_credentials', 'two_step_required', 'rate_limited', 'busy')
  signIn(@Body() dto: SignInDto, @Req() request: Request): Promise<SessionDto> {
    return this.signIns.signIn(dto, deviceOf(request), presentedTokens(request));
  }

  /** Completes a sign-in with a code of the authenticator app or a recovery code. Each code counts once. */
  @Post(['two-factor', 'two-step'])
  @ApiOperation({ operationId: 'signInWithTwoFactorCode' })
  @Public()
  @RateLimit(SIGN_IN_QUOTA)
  @MaySetRefreshCookie()
  @ApiProblems('invalid_challenge', 'wrong_code', 'too_many_codes')
  signInWithCode(@Body() dto: TwoFactorSignInDto, @Req() request: Request): Promise<SessionDto> {
    return this.signIns.signInWithCode(dto, deviceOf(request));
  }
}

import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { deviceOf } from '../../auth/sessions/device.js';
import { RefreshTokenDto } from '../../auth/sessions/sessions.dto.js';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import { REGISTRATION_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { KitsuCredentialsDto, KitsuTokensDto } from './kitsu.dto.js';
import { KitsuService } from './kitsu.service.js';

/** Registration and sign-in of the anime site. Its `POST /auth/login` is in SharedLoginController. */
@ApiTags('kitsu')
@Controller('auth')
@Public()
export class KitsuController {
  constructor(private readonly kitsu: KitsuService) {}

  /** Registers a user with a username made from the e-mail address, and signs in (anime site). */
  @Post('register')
  @RateLimit(REGISTRATION_QUOTA)
  @ApiOperation({ operationId: 'registerAtKitsu' })
  @ApiBody({ type: KitsuCredentialsDto })
  @ApiProblems('email_taken', 'password_refused', 'busy')
  register(@Body() body: object | undefined, @Req() request: Request): Promise<KitsuTokensDto> {
    return this.kitsu.register(body, deviceOf(request, 'kitsu'));
  }

  /** Rotates the refresh token (anime site). */
  @Post('refresh')
  @HttpCode(200)
  @ApiOperation({ operationId: 'refreshAtKitsu' })
  @ApiBody({ type: RefreshTokenDto })
  @ApiProblems('invalid_token', 'token_expired', 'token_reused')
  refresh(@Body() body: object | undefined, @Req() request: Request): Promise<KitsuTokensDto> {
    return this.kitsu.refresh(body, deviceOf(request, 'kitsu'));
  }

  /** Ends the session of the refresh token; repeating it succeeds (anime site). */
  @Post('logout')
  @HttpCode(204)
  @ApiOperation({ operationId: 'logoutAtKitsu' })
  @ApiBody({ type: RefreshTokenDto })
  @ApiProblems('invalid_token')
  logout(@Body() body: object | undefined): Promise<void> {
    return this.kitsu.logout(body);
  }
}

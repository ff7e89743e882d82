import { Body, Controller, Get, HttpCode, Post, Req, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { AcceptsBody } from '../../http/body.guard.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { PASSWORD_RESET_QUOTA, REGISTRATION_QUOTA, RESET_CODE_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import {
  BackendUserCodeDto,
  BackendUserCreateDto,
  BackendUserEmailDto,
  BackendUserLoginDto,
  BackendUserMessageDto,
  BackendUserProfileDto,
  BackendUserResetDto,
  BackendUserTokenDto,
} from './backend-user.dto.js';
import { BackendUserService } from './backend-user.service.js';
import { FormInterceptor } from './form.interceptor.js';

const FORMS = ['application/x-www-form-urlencoded', 'multipart/form-data', 'application/json'] as const;

/** The routes of the vaccine registration: its accounts, its form of OAuth 2, its reset codes. */
@ApiTags('compat')
@Controller()
@Public()
export class BackendUserController {
  constructor(private readonly registration: BackendUserService) {}

  /** Registers a person. Fields that are not listed are ignored, `role_id` and `verified` among them. */
  @Post('create')
  @ApiBody({ type: BackendUserCreateDto })
  @RateLimit(REGISTRATION_QUOTA)
  @ApiProblems('already_registered', 'password_refused', 'busy')
  create(@Req() request: Request): Promise<BackendUserProfileDto> {
    return this.registration.create(request.body as object | undefined);
  }

  /** Signs in by e-mail address and password, as OAuth 2 has it for passwords. */
  @Post('login')
  @HttpCode(200)
  @UseInterceptors(FormInterceptor)
  @AcceptsBody('any')
  @ApiConsumes(...FORMS)
  @ApiBody({ type: BackendUserLoginDto })
  @ApiProblems('malformed_form', 'login_refused', 'rate_limited', 'busy')
  login(@Req() request: Request): Promise<BackendUserTokenDto> {
    return this.registration.login(request);
  }

  /** The caller, with the national id. */
  @Get('profile')
  @SignedIn()
  profile(@CurrentUser() caller: Caller): Promise<BackendUserProfileDto> {
    return this.registration.profile(caller.profile);
  }

  /** Mails a code for a new password, if somebody has this address; the answer does not tell. */
  @Post(['forgot_password', 'forgot'])
  @HttpCode(200)
  @UseInterceptors(FormInterceptor)
  @AcceptsBody('any')
  @ApiConsumes(...FORMS)
  @ApiBody({ type: BackendUserEmailDto })
  @RateLimit(PASSWORD_RESET_QUOTA)
  @ApiProblems('malformed_form')
  forgot(@Body() body: object): Promise<BackendUserMessageDto> {
    return this.registration.forgot(body);
  }

  /** Exchanges a mailed code for the token with which `PUT /api/password-resets` sets a new password. */
  @Post(['validate_code', 'validate'])
  @HttpCode(200)
  @UseInterceptors(FormInterceptor)
  @AcceptsBody('any')
  @ApiConsumes(...FORMS)
  @ApiBody({ type: BackendUserCodeDto })
  @RateLimit(RESET_CODE_QUOTA)
  @ApiProblems('malformed_form', 'invalid_code')
  validate(@Body() body: object): Promise<BackendUserResetDto> {
    return this.registration.validate(body);
  }
}

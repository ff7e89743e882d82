import { Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { Problems, Public, SignedIn } from '../permissions/access.js';
import { type CurrentUser, Me } from '../users/current-user.js';
import {
  RegistrationCodeDto,
  RegistrationCreateDto,
  RegistrationEmailDto,
  RegistrationLoginDto,
  RegistrationMessageDto,
  RegistrationProfileDto,
  RegistrationResetDto,
  RegistrationTokenDto,
} from './registration.dto.js';
import { RegistrationService } from './registration.service.js';

const FORMS = ['application/x-www-form-urlencoded', 'multipart/form-data', 'application/json'] as const;

/** The routes of the vaccine registration: its accounts, its form of OAuth 2, its reset codes. */
@ApiTags('compat')
@Controller()
@Public()
export class RegistrationController {
  constructor(private readonly registration: RegistrationService) {}

  /** Registers a person. Fields that are not listed are ignored, `role_id` and `verified` among them. */
  @Post('create')
  @ApiBody({ type: RegistrationCreateDto })
  @Problems('already_registered', 'password_refused', 'rate_limited', 'busy')
  create(@Req() request: Request): Promise<RegistrationProfileDto> {
    return this.registration.create(request.body as object | undefined);
  }

  /** Signs in by e-mail address and password, as OAuth 2 has it for passwords. */
  @Post('login')
  @HttpCode(200)
  @ApiConsumes(...FORMS)
  @ApiBody({ type: RegistrationLoginDto })
  @Problems('malformed_form', 'login_refused', 'rate_limited', 'busy')
  login(@Req() request: Request): Promise<RegistrationTokenDto> {
    return this.registration.login(request);
  }

  /** The caller, with the national id. */
  @Get('profile')
  @SignedIn()
  profile(@Me() me: CurrentUser): Promise<RegistrationProfileDto> {
    return this.registration.profile(me.profile);
  }

  /** Mails a code for a new password, if somebody has this address; the answer does not tell. */
  @Post(['forgot_password', 'forgot'])
  @HttpCode(200)
  @ApiConsumes(...FORMS)
  @ApiBody({ type: RegistrationEmailDto })
  @Problems('malformed_form', 'rate_limited')
  forgot(@Req() request: Request): Promise<RegistrationMessageDto> {
    return this.registration.forgot(request);
  }

  /** Exchanges a mailed code for the token with which `PUT /api/password-resets` sets a new password. */
  @Post(['validate_code', 'validate'])
  @HttpCode(200)
  @ApiConsumes(...FORMS)
  @ApiBody({ type: RegistrationCodeDto })
  @Problems('malformed_form', 'invalid_code', 'rate_limited')
  validate(@Req() request: Request): Promise<RegistrationResetDto> {
    return this.registration.validate(request);
  }
}

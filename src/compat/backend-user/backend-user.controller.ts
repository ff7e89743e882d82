import { Body, Controller, Get, HttpCode, Post, Req, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiCreatedResponse, ApiExtraModels, ApiOperation, ApiTags, refs } from '@nestjs/swagger';
import type { Request } from 'express';
import { presentedTokens } from '../../auth/tokens/request-tokens.js';
import { deviceOf } from '../../auth/sessions/device.js';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { ApiProblems, Public, SignedIn } from '../../permissions/access.decorators.js';
import { PASSWORD_RESET_QUOTA, REGISTRATION_QUOTA, RESET_CODE_QUOTA } from '../../rate-limit/quotas.js';
import { RateLimit } from '../../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import {
  BackendUserCodeDto,
  BackendUserCreateDto,
  BackendUserDto,
  BackendUserEmailDto,
  BackendUserLoginDto,
  BackendUserMessageDto,
  BackendUserProfileDto,
  BackendUserResetDto,
  BackendUserTokenDto,
} from './backend-user.dto.js';
import { BackendUserService } from './backend-user.service.js';
import { VaccineSuccessDto, VaccineTokenDto } from './vaccine-registration.dto.js';
import { VaccineRegistrationService } from './vaccine-registration.service.js';
import { FormInterceptor } from './form.interceptor.js';

const FORMS = ['application/x-www-form-urlencoded', 'multipart/form-data', 'application/json'] as const;

/** Account routes of the vaccine registration: registration, OAuth 2 password sign-in, profile, reset codes. */
@ApiTags('backend-user')
@Controller()
@Public()
export class BackendUserController {
  constructor(
    private readonly backendUser: BackendUserService,
    private readonly vaccines: VaccineRegistrationService,
  ) {}

  /**
   * Registers a user (vaccine registration). Unknown fields are ignored, including `role_id` and `verified`. A body with a
   * `token` and nothing else registers the user of the token for vaccination.
   */
  @Post('create')
  @ApiOperation({ operationId: 'registerAtBackendUser' })
  @ApiExtraModels(BackendUserCreateDto, VaccineTokenDto, BackendUserDto, VaccineSuccessDto)
  @ApiBody({ schema: { anyOf: refs(BackendUserCreateDto, VaccineTokenDto) } })
  @ApiCreatedResponse({ schema: { anyOf: refs(BackendUserDto, VaccineSuccessDto) } })
  @RateLimit(REGISTRATION_QUOTA)
  @ApiProblems(
    'already_registered',
    'password_refused',
    'busy',
    'token_required',
    'invalid_token',
    'token_expired',
    'national_id_missing',
    'person_registered',
    'registration_exists',
  )
  async create(@Body() body: object = {}): Promise<BackendUserDto | VaccineSuccessDto> {
    if (Object.keys(body).join() !== 'token') return this.backendUser.create(body);
    await this.vaccines.register(body);
    return { success: true };
  }

  /** Signs in with e-mail address and password by the OAuth 2 password grant (vaccine registration). */
  @Post('login')
  @ApiOperation({ operationId: 'loginAtBackendUser' })
  @HttpCode(200)
  @UseInterceptors(FormInterceptor)
  @AcceptsBody('any')
  @ApiConsumes(...FORMS)
  @ApiBody({ type: BackendUserLoginDto })
  @ApiProblems('malformed_form', 'login_refused', 'two_step_required', 'rate_limited', 'busy')
  login(@Body() body: object, @Req() request: Request): Promise<BackendUserTokenDto> {
    return this.backendUser.login(body, deviceOf(request, 'backend-user'), presentedTokens(request));
  }

  /** Returns the caller with the national id (vaccine registration). */
  @Get('profile')
  @ApiOperation({ operationId: 'getProfileAtBackendUser' })
  @SignedIn()
  profile(@CurrentUser() caller: Caller): Promise<BackendUserProfileDto> {
    return this.backendUser.profile(caller);
  }

  /** Mails a reset code if a user has this address; the response is the same otherwise (vaccine registration). */
  @Post(['forgot_password', 'forgot'])
  @ApiOperation({ operationId: 'forgotPasswordAtBackendUser' })
  @HttpCode(200)
  @UseInterceptors(FormInterceptor)
  @AcceptsBody('any')
  @ApiConsumes(...FORMS)
  @ApiBody({ type: BackendUserEmailDto })
  @RateLimit(PASSWORD_RESET_QUOTA)
  @ApiProblems('malformed_form')
  forgot(@Body() body: object): Promise<BackendUserMessageDto> {
    return this.backendUser.forgot(body);
  }

  /** Exchanges a mailed code for a reset token, which `PUT /api/password-resets` accepts (vaccine registration). */
  @Post(['validate_code', 'validate'])
  @ApiOperation({ operationId: 'validateCodeAtBackendUser' })
  @HttpCode(200)
  @UseInterceptors(FormInterceptor)
  @AcceptsBody('any')
  @ApiConsumes(...FORMS)
  @ApiBody({ type: BackendUserCodeDto })
  @RateLimit(RESET_CODE_QUOTA)
  @ApiProblems('malformed_form', 'invalid_code')
  validate(@Body() body: object): Promise<BackendUserResetDto> {
    return this.backendUser.validate(body);
  }
}

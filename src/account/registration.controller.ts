import { Body, Controller, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { refToHeaders } from '../http/openapi/response-headers.js';
import { ApiProblems, Public } from '../permissions/access.decorators.js';
import { REGISTRATION_QUOTA } from '../rate-limit/quotas.js';
import { RateLimit } from '../rate-limit/rate-limit.decorator.js';
import { CreateUserDto, toUserDto, UserDto } from '../users/users.dto.js';
import { RegistrationService } from './registration.service.js';
import { publicPath } from '../http/log/request-context.js';

/** Registration. */
@ApiTags('users')
@Controller('users')
export class RegistrationController {
  constructor(private readonly registration: RegistrationService) {}

  /** Registers a user. */
  @Post()
  @ApiOperation({ operationId: 'register' })
  @Public()
  @RateLimit(REGISTRATION_QUOTA)
  @ApiCreatedResponse({ type: UserDto, headers: refToHeaders('Location') })
  @ApiProblems('username_taken', 'email_taken', 'password_refused', 'busy')
  async create(@Body() dto: CreateUserDto, @Res({ passthrough: true }) response: Response): Promise<UserDto> {
    const user = await this.registration.register(dto);
    response.location(publicPath(`/api/users/${user.id}`));
    return toUserDto(user);
  }
}

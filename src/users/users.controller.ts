import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { Response } from 'express';
import { UuidParam } from '../http/validation.js';
import { ApiProblems, Public, RequirePermissions, SignedIn } from '../permissions/access.decorators.js';
import { REGISTRATION_QUOTA } from '../rate-limit/quotas.js';
import { RateLimit } from '../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from './caller.js';
import {
  ChangePasswordDto,
  CreateUserDto,
  PasswordDto,
  PublicUserDto,
  toUserDto,
  toUserDtoFor,
  UpdateUserDto,
  UserDto,
  UsersPageDto,
  UsersQueryDto,
} from './users.dto.js';
import { UsersService } from './users.service.js';

@ApiTags('users')
@Controller('users')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  /** Registers a user. */
  @Post()
  @Public()
  @RateLimit(REGISTRATION_QUOTA)
  @ApiProblems('username_taken', 'email_taken', 'password_refused', 'busy')
  async create(@Body() dto: CreateUserDto, @Res({ passthrough: true }) response: Response): Promise<UserDto> {
    const user = await this.users.create(dto);
    response.location(`/api/users/${user.id}`);
    return toUserDto(user);
  }

  /** Searches users by name, in the order of usernames. */
  @Get()
  @SignedIn()
  @ApiProblems('invalid_cursor', 'busy')
  list(@CurrentUser() caller: Caller, @Query() query: UsersQueryDto): Promise<UsersPageDto> {
    return this.users.list(caller, query);
  }

  /** The caller, with groups and permissions. */
  @Get('me')
  @SignedIn()
  getMe(@CurrentUser() caller: Caller): UserDto {
    return toUserDto(caller.profile);
  }

  /** Changes the caller's password, and signs out every device, this one too. */
  @Put('me/password')
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('wrong_password', 'password_refused', 'rate_limited', 'busy')
  changePassword(@CurrentUser() caller: Caller, @Body() dto: ChangePasswordDto): Promise<void> {
    return this.users.changePassword(caller, dto);
  }

  /** Deletes the caller's account, for good. */
  @Delete('me')
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('wrong_password', 'last_administrator', 'rate_limited', 'busy')
  removeMe(@CurrentUser() caller: Caller, @Body() { password }: PasswordDto): Promise<void> {
    return this.users.removeMe(caller, password);
  }

  /** A user: the public part, or all of it for themselves and for administrators. */
  @Get(':id')
  @SignedIn()
  @ApiExtraModels(PublicUserDto)
  @ApiOkResponse({ schema: { oneOf: [{ $ref: getSchemaPath(UserDto) }, { $ref: getSchemaPath(PublicUserDto) }] } })
  @ApiProblems('user_not_found')
  async get(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<UserDto | PublicUserDto> {
    return toUserDtoFor(caller, await this.users.getFor(caller, id));
  }

  /** Renames, deactivates or reactivates a user. */
  @Patch(':id')
  @RequirePermissions('admin')
  @ApiProblems('user_not_found', 'username_taken', 'last_administrator')
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: UpdateUserDto,
  ): Promise<UserDto> {
    return toUserDto(await this.users.update(caller, id, dto));
  }

  /** Lets a user sign in at once whom failed attempts have locked. */
  @Delete(':id/lock')
  @RequirePermissions('admin')
  @HttpCode(204)
  @ApiProblems('user_not_found')
  unlock(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.users.unlock(caller, id);
  }

  /** Deletes a user, for good. */
  @Delete(':id')
  @RequirePermissions('admin')
  @HttpCode(204)
  @ApiProblems('user_not_found', 'last_administrator')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.users.remove(caller, id);
  }
}

import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { Response } from 'express';
import { UuidParam } from '../common/validation.js';
import { Problems, Public, RequirePermissions, SignedIn } from '../permissions/access.js';
import { type CurrentUser, Me } from './current-user.js';
import {
  ChangePasswordDto,
  CreateUserDto,
  PasswordDto,
  PublicUserDto,
  toUserDto,
  toUserDtoFor,
  UpdateMeDto,
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
  @Problems('username_taken', 'email_taken', 'password_refused', 'rate_limited', 'busy')
  async create(@Body() dto: CreateUserDto, @Res({ passthrough: true }) response: Response): Promise<UserDto> {
    const user = await this.users.create(dto);
    response.location(`/api/users/${user.id}`);
    return toUserDto(user);
  }

  /** Searches users by name, in the order of usernames. */
  @Get()
  @SignedIn()
  @Problems('invalid_cursor', 'busy')
  list(@Me() me: CurrentUser, @Query() query: UsersQueryDto): Promise<UsersPageDto> {
    return this.users.list(me, query);
  }

  /** The caller, with groups and permissions. */
  @Get('me')
  @SignedIn()
  me(@Me() me: CurrentUser): UserDto {
    return toUserDto(me.profile);
  }

  /** Changes the caller's profile. A new e-mail address ends all sessions, this one too. */
  @Patch('me')
  @SignedIn()
  @Problems('username_taken', 'email_taken', 'wrong_password', 'rate_limited', 'busy')
  async updateMe(@Me() me: CurrentUser, @Body() dto: UpdateMeDto): Promise<UserDto> {
    return toUserDto(await this.users.updateMe(me, dto));
  }

  /** Changes the caller's password, and signs out every device, this one too. */
  @Put('me/password')
  @SignedIn()
  @HttpCode(204)
  @Problems('wrong_password', 'password_refused', 'rate_limited', 'busy')
  changePassword(@Me() me: CurrentUser, @Body() dto: ChangePasswordDto): Promise<void> {
    return this.users.changePassword(me, dto);
  }

  /** Deletes the caller's account, for good. */
  @Delete('me')
  @SignedIn()
  @HttpCode(204)
  @Problems('wrong_password', 'last_administrator', 'rate_limited', 'busy')
  removeMe(@Me() me: CurrentUser, @Body() { password }: PasswordDto): Promise<void> {
    return this.users.removeMe(me, password);
  }

  /** A user: the public part, or all of it for themselves and for administrators. */
  @Get(':id')
  @SignedIn()
  @ApiExtraModels(PublicUserDto)
  @ApiOkResponse({ schema: { oneOf: [{ $ref: getSchemaPath(UserDto) }, { $ref: getSchemaPath(PublicUserDto) }] } })
  @Problems('user_not_found')
  async get(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<UserDto | PublicUserDto> {
    return toUserDtoFor(me, await this.users.getFor(me, id));
  }

  /** Renames, deactivates or reactivates a user. */
  @Patch(':id')
  @RequirePermissions('admin')
  @Problems('user_not_found', 'username_taken', 'last_administrator')
  async update(@Me() me: CurrentUser, @UuidParam('id') id: string, @Body() dto: UpdateUserDto): Promise<UserDto> {
    return toUserDto(await this.users.update(me, id, dto));
  }

  /** Lets a user sign in at once whom failed attempts have locked. */
  @Delete(':id/lock')
  @RequirePermissions('admin')
  @HttpCode(204)
  @Problems('user_not_found')
  unlock(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<void> {
    return this.users.unlock(me, id);
  }

  /** Deletes a user, for good. */
  @Delete(':id')
  @RequirePermissions('admin')
  @HttpCode(204)
  @Problems('user_not_found', 'last_administrator')
  remove(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<void> {
    return this.users.remove(me, id);
  }
}

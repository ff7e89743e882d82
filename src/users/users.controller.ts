import { Controller, Get, Query } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { JsonText } from '../http/json-text.js';
import { UuidParam } from '../http/validation.js';
import { ApiProblems, SignedIn } from '../permissions/access.decorators.js';
import { type Caller, CurrentUser } from './caller.js';
import { UserListsService } from './user-lists.service.js';
import { PublicUserDto, toUserDto, toUserDtoFor, UserDto, UsersPageDto, UsersQueryDto } from './users.dto.js';
import { UsersService } from './users.service.js';

/** Reads users. The module `account` changes them. */
@ApiTags('users')
@Controller('users')
export class UsersController {
  constructor(
    private readonly users: UsersService,
    private readonly lists: UserListsService,
  ) {}

  /** Searches users by name. Returns them in the order of their usernames. */
  @Get()
  @ApiOperation({ operationId: 'listUsers' })
  @SignedIn()
  @ApiOkResponse({ type: UsersPageDto })
  @ApiProblems('invalid_cursor', 'busy')
  list(@CurrentUser() caller: Caller, @Query() query: UsersQueryDto): Promise<JsonText<UsersPageDto>> {
    return this.lists.list(caller, query);
  }

  /** Returns the caller, with groups and permissions. */
  @Get('me')
  @ApiOperation({ operationId: 'getMe' })
  @SignedIn()
  getMe(@CurrentUser() caller: Caller): UserDto {
    return toUserDto(caller.profile, caller);
  }

  /** Returns a user: all fields for the user and for administrators, the public fields for everyone else. */
  @Get(':id')
  @ApiOperation({ operationId: 'getUser' })
  @SignedIn()
  @ApiExtraModels(PublicUserDto)
  @ApiOkResponse({ schema: { anyOf: [{ $ref: getSchemaPath(UserDto) }, { $ref: getSchemaPath(PublicUserDto) }] } })
  @ApiProblems('user_not_found')
  async get(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<UserDto | PublicUserDto> {
    return toUserDtoFor(caller, await this.users.getFor(caller, id));
  }
}

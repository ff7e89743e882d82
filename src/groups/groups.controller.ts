import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { PageQueryDto } from '../http/pagination.dto.js';
import { refToHeaders } from '../http/openapi/response-headers.js';
import { UuidParam } from '../http/validation.js';
import { ApiProblems, RequirePermissions, SignedIn } from '../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../users/caller.js';
import {
  CreateGroupDto,
  GroupDto,
  GroupMembersPageDto,
  GroupsPageDto,
  toGroupDto,
  UpdateGroupDto,
} from './groups.dto.js';
import { GroupsService } from './groups.service.js';
import { publicPath } from '../http/log/request-context.js';

@ApiTags('groups')
@Controller('groups')
export class GroupsController {
  constructor(private readonly groups: GroupsService) {}

  /** Returns groups, oldest first: all groups for administrators, the caller's own for everyone else. */
  @Get()
  @ApiOperation({ operationId: 'listGroups' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  list(@CurrentUser() caller: Caller, @Query() query: PageQueryDto): Promise<GroupsPageDto> {
    return this.groups.list(caller, query);
  }

  /** Creates a group. */
  @Post()
  @ApiOperation({ operationId: 'createGroup' })
  @RequirePermissions('admin')
  @ApiCreatedResponse({ type: GroupDto, headers: refToHeaders('Location') })
  @ApiProblems('group_name_taken')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateGroupDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<GroupDto> {
    const group = await this.groups.create(caller, dto);
    response.location(publicPath(`/api/groups/${group.id}`));
    return toGroupDto(group);
  }

  /** Returns a group to its members and to administrators. */
  @Get(':id')
  @ApiOperation({ operationId: 'getGroup' })
  @SignedIn()
  @ApiProblems('group_not_found')
  async get(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<GroupDto> {
    return toGroupDto(await this.groups.get(caller, id));
  }

  /** Changes a group. The permissions of its members change with their next request. */
  @Patch(':id')
  @ApiOperation({ operationId: 'updateGroup' })
  @RequirePermissions('admin')
  @ApiProblems('group_not_found', 'group_name_taken', 'last_administrator')
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: UpdateGroupDto,
  ): Promise<GroupDto> {
    return toGroupDto(await this.groups.update(caller, id, dto));
  }

  /** Deletes a group. Its members lose the permissions it gave. */
  @Delete(':id')
  @ApiOperation({ operationId: 'deleteGroup' })
  @RequirePermissions('admin')
  @HttpCode(204)
  @ApiProblems('group_not_found', 'last_administrator')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.groups.remove(caller, id);
  }

  /** Returns the members of a group. */
  @Get(':id/members')
  @ApiOperation({ operationId: 'listGroupMembers' })
  @RequirePermissions('admin')
  @ApiProblems('group_not_found', 'invalid_cursor')
  listMembers(@UuidParam('id') id: string, @Query() query: PageQueryDto): Promise<GroupMembersPageDto> {
    return this.groups.listMembers(id, query);
  }

  /** Adds a user to a group. Succeeds if the user is a member already. */
  @Put(':id/members/:user_id')
  @ApiOperation({ operationId: 'addGroupMember' })
  @RequirePermissions('admin')
  @HttpCode(204)
  @ApiProblems('group_not_found', 'user_not_found')
  addMember(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @UuidParam('user_id') userId: string,
  ): Promise<void> {
    return this.groups.addMember(caller, id, userId);
  }

  /** Removes a user from a group. */
  @Delete(':id/members/:user_id')
  @ApiOperation({ operationId: 'removeGroupMember' })
  @RequirePermissions('admin')
  @HttpCode(204)
  @ApiProblems('member_not_found', 'last_administrator')
  removeMember(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @UuidParam('user_id') userId: string,
  ): Promise<void> {
    return this.groups.removeMember(caller, id, userId);
  }
}

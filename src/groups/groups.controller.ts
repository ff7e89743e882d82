import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { PageQueryDto } from '../common/pagination.dto.js';
import { UuidParam } from '../common/validation.js';
import { Problems, RequirePermissions, SignedIn } from '../permissions/access.js';
import { type CurrentUser, Me } from '../users/current-user.js';
import {
  CreateGroupDto,
  GroupDto,
  GroupMembersPageDto,
  GroupsPageDto,
  toGroupDto,
  UpdateGroupDto,
} from './groups.dto.js';
import { GroupsService } from './groups.service.js';

@ApiTags('groups')
@Controller('groups')
export class GroupsController {
  constructor(private readonly groups: GroupsService) {}

  /** All groups for administrators, the caller's own for everybody else; oldest first. */
  @Get()
  @SignedIn()
  @Problems('invalid_cursor')
  list(@Me() me: CurrentUser, @Query() query: PageQueryDto): Promise<GroupsPageDto> {
    return this.groups.list(me, query);
  }

  /** Makes a group. */
  @Post()
  @RequirePermissions('admin')
  @Problems('group_name_taken')
  async create(
    @Me() me: CurrentUser,
    @Body() dto: CreateGroupDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<GroupDto> {
    const group = await this.groups.create(me, dto);
    response.location(`/api/groups/${group.id}`);
    return toGroupDto(group);
  }

  /** A group, for administrators and its members. */
  @Get(':id')
  @SignedIn()
  @Problems('group_not_found')
  async get(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<GroupDto> {
    return toGroupDto(await this.groups.get(me, id));
  }

  /** Changes a group; its members' rights follow from their next request on. */
  @Patch(':id')
  @RequirePermissions('admin')
  @Problems('group_not_found', 'group_name_taken', 'last_administrator')
  async update(@Me() me: CurrentUser, @UuidParam('id') id: string, @Body() dto: UpdateGroupDto): Promise<GroupDto> {
    return toGroupDto(await this.groups.update(me, id, dto));
  }

  /** Deletes a group; its members lose what it gave. */
  @Delete(':id')
  @RequirePermissions('admin')
  @HttpCode(204)
  @Problems('group_not_found', 'last_administrator')
  remove(@Me() me: CurrentUser, @UuidParam('id') id: string): Promise<void> {
    return this.groups.remove(me, id);
  }

  /** The members of a group. */
  @Get(':id/members')
  @RequirePermissions('admin')
  @Problems('group_not_found', 'invalid_cursor')
  listMembers(@UuidParam('id') id: string, @Query() query: PageQueryDto): Promise<GroupMembersPageDto> {
    return this.groups.listMembers(id, query);
  }

  /** Makes a user a member; already being one is fine. */
  @Put(':id/members/:user_id')
  @RequirePermissions('admin')
  @HttpCode(204)
  @Problems('group_not_found', 'user_not_found')
  addMember(@Me() me: CurrentUser, @UuidParam('id') id: string, @UuidParam('user_id') userId: string): Promise<void> {
    return this.groups.addMember(me, id, userId);
  }

  /** Takes a user out of a group. */
  @Delete(':id/members/:user_id')
  @RequirePermissions('admin')
  @HttpCode(204)
  @Problems('member_not_found', 'last_administrator')
  removeMember(
    @Me() me: CurrentUser,
    @UuidParam('id') id: string,
    @UuidParam('user_id') userId: string,
  ): Promise<void> {
    return this.groups.removeMember(me, id, userId);
  }
}

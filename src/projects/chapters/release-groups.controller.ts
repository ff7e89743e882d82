import { Body, Controller, Get, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { publicPath } from '../../http/log/request-context.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { OpenToReaders } from '../visibility/reader.guard.js';
import {
  CreateReleaseGroupDto,
  ReleaseGroupDto,
  ReleaseGroupsPageDto,
  ReleaseGroupsQueryDto,
  toReleaseGroupDto,
  UpdateReleaseGroupDto,
} from './release-groups.dto.js';
import { ReleaseGroupsService } from './release-groups.service.js';

/** The groups of people that release chapters, such as translators. */
@ApiTags('projects')
@Controller('release-groups')
export class ReleaseGroupsController {
  constructor(private readonly groups: ReleaseGroupsService) {}

  /** Returns the release groups, oldest first. */
  @Get()
  @ApiOperation({ operationId: 'listReleaseGroups' })
  @OpenToReaders()
  @ApiProblems('invalid_cursor')
  list(@Query() query: ReleaseGroupsQueryDto): Promise<ReleaseGroupsPageDto> {
    return this.groups.list(query);
  }

  /** Adds a release group. */
  @Post()
  @ApiOperation({ operationId: 'createReleaseGroup' })
  @RequirePermissions('upload_chapters')
  @ApiProblems('release_group_name_taken')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateReleaseGroupDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ReleaseGroupDto> {
    const group = await this.groups.create(caller, dto);
    response.location(publicPath(`/api/release-groups/${group.id}`));
    return toReleaseGroupDto(group);
  }

  /** Returns a release group. */
  @Get(':id')
  @ApiOperation({ operationId: 'getReleaseGroup' })
  @OpenToReaders()
  @ApiProblems('release_group_not_found')
  async get(@UuidParam('id') id: string): Promise<ReleaseGroupDto> {
    return toReleaseGroupDto(await this.groups.get(id));
  }

  /** Changes a release group. */
  @Patch(':id')
  @ApiOperation({ operationId: 'updateReleaseGroup' })
  @RequirePermissions('upload_chapters')
  @ApiProblems('release_group_not_found', 'release_group_name_taken')
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: UpdateReleaseGroupDto,
  ): Promise<ReleaseGroupDto> {
    return toReleaseGroupDto(await this.groups.update(caller, id, dto));
  }
}

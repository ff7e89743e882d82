import { Body, Controller, Delete, Get, Headers, HttpCode, Patch, Post, Put, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { publicPath } from '../../http/log/request-context.js';
import { UuidParam } from '../../http/validation.js';
import { VersionQueryDto } from '../../http/versions.dto.js';
import { IF_MATCH, readExpectedVersion, sendVersioned, versionTag } from '../../http/versions.js';
import { ApiProblems, RequirePermissions, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CurrentReader, type Reader, readerOf } from '../visibility/reader.js';
import { OpenToReaders } from '../visibility/reader.guard.js';
import {
  AnnouncementDto,
  AnnouncementsPageDto,
  AnnouncementsQueryDto,
  CreateAnnouncementDto,
  UnreadAnnouncementsDto,
  UpdateAnnouncementDto,
} from './announcements.dto.js';
import { AnnouncementsService } from './announcements.service.js';

/** Announcements and blog posts. */
@ApiTags('announcements')
@Controller()
export class AnnouncementsController {
  constructor(private readonly announcements: AnnouncementsService) {}

  /** Returns the announcements and blog posts that the caller sees, newest first. */
  @Get('announcements')
  @ApiOperation({ operationId: 'listAnnouncements' })
  @OpenToReaders()
  @ApiProblems('invalid_cursor')
  list(@CurrentReader() reader: Reader, @Query() query: AnnouncementsQueryDto): Promise<AnnouncementsPageDto> {
    return this.announcements.list(reader, query);
  }

  /** Publishes an announcement or a blog post, now or later. */
  @Post('announcements')
  @ApiOperation({ operationId: 'createAnnouncement' })
  @RequirePermissions('manage_projects')
  @ApiProblems('project_not_found')
  async create(
    @CurrentUser() caller: Caller,
    @Body() dto: CreateAnnouncementDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AnnouncementDto> {
    const id = await this.announcements.create(caller, dto);
    response.location(publicPath(`/api/announcements/${id}`));
    return this.send(caller, id, response);
  }

  /** Returns an announcement. */
  @Get('announcements/:id')
  @ApiOperation({ operationId: 'getAnnouncement' })
  @OpenToReaders()
  @ApiOkResponse({ type: AnnouncementDto })
  @ApiResponse({ status: 304, description: 'Not modified.' })
  @ApiProblems('announcement_not_found')
  async get(
    @CurrentReader() reader: Reader,
    @UuidParam('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    sendVersioned(request, response, await this.announcements.get(reader, id));
  }

  /** Changes an announcement. */
  @Patch('announcements/:id')
  @ApiOperation({ operationId: 'updateAnnouncement' })
  @RequirePermissions('manage_projects')
  @ApiHeader(IF_MATCH)
  @ApiProblems('announcement_not_found', 'version_conflict', 'version_required')
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version, ...dto }: UpdateAnnouncementDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AnnouncementDto> {
    await this.announcements.get(readerOf(caller), id);
    await this.announcements.update(caller, id, readExpectedVersion(ifMatch, version), dto);
    return this.send(caller, id, response);
  }

  /** Deletes an announcement. */
  @Delete('announcements/:id')
  @ApiOperation({ operationId: 'removeAnnouncement' })
  @RequirePermissions('manage_projects')
  @HttpCode(204)
  @ApiHeader(IF_MATCH)
  @ApiProblems('announcement_not_found', 'version_conflict', 'version_required')
  remove(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Query() { version }: VersionQueryDto,
  ): Promise<void> {
    return this.announcements.remove(caller, id, readExpectedVersion(ifMatch, version));
  }

  /** Marks an announcement as read. */
  @Put('announcements/:id/read')
  @ApiOperation({ operationId: 'markAnnouncementRead' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('announcement_not_found')
  markRead(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.announcements.setRead(caller, id, true);
  }

  /** Marks an announcement as unread. Does nothing if it is. */
  @Delete('announcements/:id/read')
  @ApiOperation({ operationId: 'markAnnouncementUnread' })
  @SignedIn()
  @HttpCode(204)
  markUnread(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.announcements.setRead(caller, id, false);
  }

  /** Returns how many announcements the caller has not read. */
  @Get('me/announcements/unread')
  @ApiOperation({ operationId: 'countUnreadAnnouncements' })
  @SignedIn()
  async countUnread(@CurrentUser() caller: Caller): Promise<UnreadAnnouncementsDto> {
    return { unread_count: await this.announcements.countUnread(caller) };
  }

  /** Marks all announcements that the caller sees as read. */
  @Put('me/announcements/read')
  @ApiOperation({ operationId: 'markAllAnnouncementsRead' })
  @SignedIn()
  @HttpCode(204)
  markAllRead(@CurrentUser() caller: Caller): Promise<void> {
    return this.announcements.setAllRead(caller);
  }

  private async send(caller: Caller, id: string, response: Response): Promise<AnnouncementDto> {
    const dto = await this.announcements.get(readerOf(caller), id);
    response.setHeader('etag', versionTag(dto.version, dto));
    return dto;
  }
}

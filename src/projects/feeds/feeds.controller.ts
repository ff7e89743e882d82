import { applyDecorators, Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Problem } from '../../http/problems/problem.js';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import { CurrentReader, type Reader } from '../visibility/reader.js';
import { OpenToReaders } from '../visibility/reader.guard.js';
import { documentSchema } from './document-schema.js';
import { type Feed, FEED_TYPES, isFeedFormat, toFeed } from './feed-formats.js';
import { AnnouncementFeedQueryDto, FeedQueryDto } from './feeds.dto.js';
import { FeedsService } from './feeds.service.js';
import { sendText } from './send-text.js';

const FEED_MEDIA_TYPES = Object.values(FEED_TYPES).map((type) => type.split(';')[0]!);

/** Documents the formats of a feed. */
const ApiFeed = (): MethodDecorator =>
  applyDecorators(
    ApiParam({ name: 'format', enum: Object.keys(FEED_TYPES) }),
    ApiOkResponse({
      description: 'RSS 2.0, Atom or JSON Feed 1.1.',
      content: Object.fromEntries(FEED_MEDIA_TYPES.map((type) => [type, { schema: documentSchema(type) }])),
    }),
    ApiResponse({ status: 304, description: 'Not modified.' }),
  );

/** Feeds of chapters and announcements for feed readers. */
@ApiTags('feeds')
@Controller('feeds')
export class FeedsController {
  constructor(private readonly feeds: FeedsService) {}

  /** Returns the latest chapters that the caller sees as a feed. */
  @Get('latest.:format')
  @ApiOperation({ operationId: 'getLatestFeed' })
  @OpenToReaders()
  @ApiFeed()
  @ApiProblems('feed_not_found')
  async getLatest(
    @CurrentReader() reader: Reader,
    @Param('format') format: string,
    @Query() { language }: FeedQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await send(request, response, format, () => this.feeds.getLatest(reader, language));
  }

  /** Returns the latest chapters of a project that the caller sees as a feed. */
  @Get('projects/:id_or_slug.:format')
  @ApiOperation({ operationId: 'getProjectFeed' })
  @OpenToReaders()
  @ApiFeed()
  @ApiProblems('feed_not_found', 'project_not_found')
  async getOfProject(
    @CurrentReader() reader: Reader,
    @Param('id_or_slug') idOrSlug: string,
    @Param('format') format: string,
    @Query() { language }: FeedQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await send(request, response, format, () => this.feeds.getOfProject(reader, idOrSlug, language));
  }

  /** Returns the newest announcements and blog posts that the caller sees as a feed. */
  @Get('announcements.:format')
  @ApiOperation({ operationId: 'getAnnouncementsFeed' })
  @OpenToReaders()
  @ApiFeed()
  @ApiProblems('feed_not_found')
  async getAnnouncements(
    @CurrentReader() reader: Reader,
    @Param('format') format: string,
    @Query() query: AnnouncementFeedQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await send(request, response, format, () => this.feeds.getAnnouncements(reader, query));
  }

  /** Returns the latest chapters of the projects that the user of a feed token follows. A revoked token answers 404. */
  @Get('me/:token.:format')
  @ApiOperation({ operationId: 'getPersonalFeed' })
  @Public()
  @ApiFeed()
  @ApiProblems('feed_not_found', 'database_unavailable')
  async getPersonal(
    @Param('token') token: string,
    @Param('format') format: string,
    @Query() { language }: FeedQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await send(request, response, format, () => this.feeds.getPersonal(token, language));
  }
}

/** Throws `feed_not_found` for a format that does not exist. */
async function send(request: Request, response: Response, format: string, read: () => Promise<Feed>): Promise<void> {
  if (!isFeedFormat(format)) throw new Problem('feed_not_found');
  sendText(request, response, FEED_TYPES[format], toFeed(await read(), format));
}

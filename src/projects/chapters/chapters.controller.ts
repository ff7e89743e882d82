import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  Patch,
  Post,
  Put,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { publicPath } from '../../http/log/request-context.js';
import { UuidParam } from '../../http/validation.js';
import { VersionQueryDto } from '../../http/versions.dto.js';
import { IF_MATCH, readExpectedVersion, sendVersioned, versionTag } from '../../http/versions.js';
import { ApiProblems, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { PagesService } from '../pages/pages.service.js';
import { CurrentReader, type Reader, readerOf } from '../visibility/reader.js';
import { OpenToReaders } from '../visibility/reader.guard.js';
import { ChapterListsService } from './chapter-lists.service.js';
import {
  ChaptersPageDto,
  ChaptersQueryDto,
  ChapterDetailsDto,
  CreateChapterDto,
  LatestChaptersQueryDto,
  OrderPagesDto,
  toChapterDto,
  UpdateChapterDto,
} from './chapters.dto.js';
import { ChaptersService } from './chapters.service.js';

/** Chapters, of a project and of all. A chapter that the caller may not see answers like one that does not exist. */
@ApiTags('projects')
@Controller()
export class ChaptersController {
  constructor(
    private readonly chapters: ChaptersService,
    private readonly lists: ChapterListsService,
    private readonly pages: PagesService,
  ) {}

  /** Returns the chapters of a project that the caller sees, by number. */
  @Get('projects/:id_or_slug/chapters')
  @ApiOperation({ operationId: 'listChapters' })
  @OpenToReaders()
  @ApiProblems('project_not_found', 'invalid_cursor')
  listOfProject(
    @CurrentReader() reader: Reader,
    @Param('id_or_slug') idOrSlug: string,
    @Query() query: ChaptersQueryDto,
  ): Promise<ChaptersPageDto> {
    return this.lists.listOfProject(reader, idOrSlug, query);
  }

  /** Creates a chapter as a draft. Its pages are uploaded afterwards. */
  @Post('projects/:id_or_slug/chapters')
  @ApiOperation({ operationId: 'createChapter' })
  @RequirePermissions('upload_chapters')
  @ApiProblems('project_not_found', 'release_group_not_found', 'chapter_exists')
  async create(
    @CurrentUser() caller: Caller,
    @Param('id_or_slug') idOrSlug: string,
    @Body() dto: CreateChapterDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ChapterDetailsDto> {
    const id = await this.chapters.create(caller, idOrSlug, dto);
    response.location(publicPath(`/api/chapters/${id}`));
    return this.send(readerOf(caller), id, response);
  }

  /** Returns the latest chapters of all projects, those first that the caller could read last. */
  @Get('chapters/latest')
  @ApiOperation({ operationId: 'listLatestChapters' })
  @OpenToReaders()
  @ApiProblems('invalid_cursor')
  listLatest(@CurrentReader() reader: Reader, @Query() query: LatestChaptersQueryDto): Promise<ChaptersPageDto> {
    return this.lists.listLatest(reader, query);
  }

  /** Returns a chapter with its pages and neighbours. */
  @Get('chapters/:id')
  @ApiOperation({ operationId: 'getChapter' })
  @OpenToReaders()
  @ApiOkResponse({ type: ChapterDetailsDto })
  @ApiResponse({ status: 304, description: 'Not modified.' })
  @ApiProblems('chapter_not_found')
  async get(
    @CurrentReader() reader: Reader,
    @UuidParam('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    sendVersioned(request, response, await this.read(reader, id));
  }

  /** Changes a chapter. */
  @Patch('chapters/:id')
  @ApiOperation({ operationId: 'updateChapter' })
  @RequirePermissions('upload_chapters')
  @ApiHeader(IF_MATCH)
  @ApiProblems('chapter_not_found', 'release_group_not_found', 'chapter_exists', 'version_conflict', 'version_required')
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version, ...dto }: UpdateChapterDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ChapterDetailsDto> {
    await this.lists.get(readerOf(caller), id);
    await this.chapters.update(caller, id, readExpectedVersion(ifMatch, version), dto);
    return this.send(readerOf(caller), id, response);
  }

  /** Puts the pages of a chapter in another order. */
  @Put('chapters/:id/pages/order')
  @ApiOperation({ operationId: 'reorderPages' })
  @RequirePermissions('upload_chapters')
  @ApiHeader(IF_MATCH)
  @ApiProblems('chapter_not_found', 'pages_differ', 'chapter_processing', 'version_conflict', 'version_required')
  async reorderPages(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version, page_ids }: OrderPagesDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ChapterDetailsDto> {
    await this.lists.get(readerOf(caller), id);
    await this.chapters.reorderPages(caller, id, readExpectedVersion(ifMatch, version), page_ids);
    return this.send(readerOf(caller), id, response);
  }

  /** Deletes a chapter with its pages. */
  @Delete('chapters/:id')
  @ApiOperation({ operationId: 'removeChapter' })
  @RequirePermissions('upload_chapters')
  @HttpCode(204)
  @ApiHeader(IF_MATCH)
  @ApiProblems('chapter_not_found', 'version_conflict', 'version_required')
  remove(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Query() { version }: VersionQueryDto,
  ): Promise<void> {
    return this.chapters.remove(caller, id, readExpectedVersion(ifMatch, version));
  }

  private async send(reader: Reader, id: string, response: Response): Promise<ChapterDetailsDto> {
    const dto = await this.read(reader, id);
    response.setHeader('etag', versionTag(dto.version, dto));
    return dto;
  }

  private async read(reader: Reader, id: string): Promise<ChapterDetailsDto> {
    const chapter = await this.lists.get(reader, id);
    const pages = await this.pages.list(reader, chapter);
    const neighbours = await this.lists.findNeighbours(reader, chapter);
    return { ...toChapterDto(chapter), rejection_reason: chapter.rejection_reason, pages, ...neighbours };
  }
}

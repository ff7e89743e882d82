import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { SkipChangeLimit } from '../../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { BookmarksService } from './bookmarks.service.js';
import { MyReadingService } from './my-reading.service.js';
import { ProgressService } from './progress.service.js';
import {
  BookmarksPageDto,
  ChaptersWithProgressPageDto,
  MergedProgressDto,
  MergeProgressDto,
  MyFeedQueryDto,
  ProgressDto,
  SetProgressDto,
} from './reading.dto.js';

/** What the caller follows, and how far the caller has read. */
@ApiTags('reading')
@Controller()
export class ReadingController {
  constructor(
    private readonly bookmarks: BookmarksService,
    private readonly progress: ProgressService,
    private readonly reading: MyReadingService,
  ) {}

  /** Follows a project: its new chapters are in the caller's feed. */
  @Put('projects/:id_or_slug/follow')
  @ApiOperation({ operationId: 'followProject' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('project_not_found')
  follow(@CurrentUser() caller: Caller, @Param('id_or_slug') idOrSlug: string): Promise<void> {
    return this.bookmarks.add(caller, 'follow', idOrSlug);
  }

  /** Stops following a project. */
  @Delete('projects/:id_or_slug/follow')
  @ApiOperation({ operationId: 'unfollowProject' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('project_not_found')
  unfollow(@CurrentUser() caller: Caller, @Param('id_or_slug') idOrSlug: string): Promise<void> {
    return this.bookmarks.remove(caller, 'follow', idOrSlug);
  }

  /** Adds a project to the caller's favourites. */
  @Put('projects/:id_or_slug/favourite')
  @ApiOperation({ operationId: 'addFavourite' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('project_not_found')
  addFavourite(@CurrentUser() caller: Caller, @Param('id_or_slug') idOrSlug: string): Promise<void> {
    return this.bookmarks.add(caller, 'favourite', idOrSlug);
  }

  /** Removes a project from the caller's favourites. */
  @Delete('projects/:id_or_slug/favourite')
  @ApiOperation({ operationId: 'removeFavourite' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('project_not_found')
  removeFavourite(@CurrentUser() caller: Caller, @Param('id_or_slug') idOrSlug: string): Promise<void> {
    return this.bookmarks.remove(caller, 'favourite', idOrSlug);
  }

  /** Returns the projects that the caller follows, with the number of unread chapters. */
  @Get('me/follows')
  @ApiOperation({ operationId: 'listFollows' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  listFollows(@CurrentUser() caller: Caller, @Query() query: PageQueryDto): Promise<BookmarksPageDto> {
    return this.bookmarks.list(caller, 'follow', query);
  }

  /** Returns the caller's favourites, with the number of unread chapters. */
  @Get('me/favourites')
  @ApiOperation({ operationId: 'listFavourites' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  listFavourites(@CurrentUser() caller: Caller, @Query() query: PageQueryDto): Promise<BookmarksPageDto> {
    return this.bookmarks.list(caller, 'favourite', query);
  }

  /** Returns the latest chapters of the projects that the caller follows. */
  @Get('me/feed')
  @ApiOperation({ operationId: 'listMyFeed' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  listFeed(@CurrentUser() caller: Caller, @Query() query: MyFeedQueryDto): Promise<ChaptersWithProgressPageDto> {
    return this.reading.listFeed(caller, query);
  }

  /**
   * Returns the chapters to continue with, one for each project that the caller has read in: the one opened last, or the next
   * one after it was read.
   */
  @Get('me/continue-reading')
  @ApiOperation({ operationId: 'listContinueReading' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  listContinuations(@CurrentUser() caller: Caller, @Query() query: PageQueryDto): Promise<ChaptersWithProgressPageDto> {
    return this.reading.listContinuations(caller, query);
  }

  /** Returns the chapters that the caller has opened, the last one first. */
  @Get('me/history')
  @ApiOperation({ operationId: 'listHistory' })
  @SignedIn()
  @ApiProblems('invalid_cursor')
  listHistory(@CurrentUser() caller: Caller, @Query() query: PageQueryDto): Promise<ChaptersWithProgressPageDto> {
    return this.reading.listHistory(caller, query);
  }

  /** Stores the progress of an offline device: of each chapter, the newest change counts. */
  @Post('me/progress')
  @ApiOperation({ operationId: 'mergeProgress' })
  @SignedIn()
  @SkipChangeLimit(true)
  @HttpCode(200)
  async merge(@CurrentUser() caller: Caller, @Body() { changes }: MergeProgressDto): Promise<MergedProgressDto> {
    return { items: await this.progress.merge(caller, changes) };
  }

  /** Returns how far the caller has read a chapter. */
  @Get('chapters/:id/progress')
  @ApiOperation({ operationId: 'getProgress' })
  @SignedIn()
  @ApiProblems('chapter_not_found')
  get(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<ProgressDto> {
    return this.progress.get(caller, id);
  }

  /** Stores how far the caller has read a chapter, unless a newer change is stored. Returns what is stored. */
  @Put('chapters/:id/progress')
  @ApiOperation({ operationId: 'setProgress' })
  @SignedIn()
  @SkipChangeLimit(true)
  @ApiProblems('chapter_not_found')
  set(@CurrentUser() caller: Caller, @UuidParam('id') id: string, @Body() dto: SetProgressDto): Promise<ProgressDto> {
    return this.progress.set(caller, id, dto);
  }
}

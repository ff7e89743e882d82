import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { UuidParam } from '../../http/validation.js';
import { DecisionDto } from '../../http/versions.dto.js';
import { IF_MATCH, readOptionalVersion } from '../../http/versions.js';
import { ApiProblems, RequirePermissions, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { PublishingModerationService } from './publishing-moderation.service.js';
import {
  CreateReportDto,
  DecideReportDto,
  RejectChapterDto,
  ReportDto,
  ReportsPageDto,
  ReportsQueryDto,
  ReviewQueuePageDto,
} from './reports.dto.js';

/** Reports on projects and chapters, and the review of first chapters by moderators who may read them. */
@ApiTags('publishing')
@Controller()
export class PublishingModerationController {
  constructor(private readonly moderation: PublishingModerationService) {}

  /** Reports a project to the moderators. */
  @Post('projects/:id_or_slug/reports')
  @ApiOperation({ operationId: 'reportProject' })
  @SignedIn()
  @ApiProblems('project_not_found', 'already_reported')
  reportProject(
    @CurrentUser() caller: Caller,
    @Param('id_or_slug') idOrSlug: string,
    @Body() dto: CreateReportDto,
  ): Promise<ReportDto> {
    return this.moderation.reportProject(caller, idOrSlug, dto);
  }

  /** Reports a chapter to the moderators. */
  @Post('chapters/:id/reports')
  @ApiOperation({ operationId: 'reportChapter' })
  @SignedIn()
  @ApiProblems('chapter_not_found', 'already_reported')
  reportChapter(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: CreateReportDto,
  ): Promise<ReportDto> {
    return this.moderation.reportChapter(caller, id, dto);
  }

  /** Returns the reports in one state, oldest first. Those on chapters that the caller does not see are left out. */
  @Get('moderation/reports')
  @ApiOperation({ operationId: 'listReports' })
  @RequirePermissions('manage_projects')
  @ApiProblems('invalid_cursor')
  listReports(@CurrentUser() caller: Caller, @Query() query: ReportsQueryDto): Promise<ReportsPageDto> {
    return this.moderation.listReports(caller, query);
  }

  /** Closes a report. */
  @Post('moderation/reports/:id/decision')
  @ApiOperation({ operationId: 'decideReport' })
  @RequirePermissions('manage_projects')
  @HttpCode(200)
  @ApiProblems('report_not_found', 'report_not_open')
  decide(@CurrentUser() caller: Caller, @UuidParam('id') id: string, @Body() dto: DecideReportDto): Promise<ReportDto> {
    return this.moderation.decide(caller, id, dto);
  }

  /** Returns the chapters that wait for approval, oldest first. */
  @Get('moderation/chapters')
  @ApiOperation({ operationId: 'listChapterReviews' })
  @RequirePermissions('manage_projects', 'view_hidden')
  @ApiProblems('invalid_cursor')
  listReviews(@CurrentUser() caller: Caller, @Query() query: PageQueryDto): Promise<ReviewQueuePageDto> {
    return this.moderation.listReviews(caller, query);
  }

  /**
   * Publishes a chapter that waits for approval. With the `version` that the caller has read, a chapter that its uploader changed
   * since then is not published.
   */
  @Post('moderation/chapters/:id/approve')
  @ApiOperation({ operationId: 'approveChapter' })
  @RequirePermissions('manage_projects', 'view_hidden')
  @HttpCode(204)
  @ApiHeader(IF_MATCH)
  @ApiBody({ type: DecisionDto, required: false })
  @ApiProblems('chapter_not_found', 'chapter_not_in_review', 'version_conflict')
  async approve(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version }: DecisionDto,
  ): Promise<void> {
    await this.moderation.approve(caller, id, readOptionalVersion(ifMatch, version));
  }

  /**
   * Refuses a chapter that waits for approval. With the `version` that the caller has read, a chapter that its uploader changed
   * since then is not refused.
   */
  @Post('moderation/chapters/:id/reject')
  @ApiOperation({ operationId: 'rejectChapter' })
  @RequirePermissions('manage_projects', 'view_hidden')
  @HttpCode(204)
  @ApiHeader(IF_MATCH)
  @ApiProblems('chapter_not_found', 'chapter_not_in_review', 'version_conflict')
  async reject(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { version, reason }: RejectChapterDto,
  ): Promise<void> {
    await this.moderation.reject(caller, id, readOptionalVersion(ifMatch, version), reason);
  }
}

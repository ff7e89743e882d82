import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { SqlValues } from '../../database/statements/sql-values.js';
import { type Page, type PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { ChapterListsService } from '../chapters/chapter-lists.service.js';
import { ChapterPublishingService } from '../chapters/chapter-publishing.service.js';
import { lockChapter } from '../chapters/chapters.service.js';
import { type ChapterDto, toChapterDto } from '../chapters/chapters.dto.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { type Reader, readerOf } from '../visibility/reader.js';
import { visibleChapter, visibleProject } from '../visibility/visibility.js';
import { Report } from './report.entity.js';
import {
  type CreateReportDto,
  type DecideReportDto,
  type ReportDto,
  type ReportsQueryDto,
  toReportDto,
} from './reports.dto.js';

/** Atomic: of several decisions on one report only the first finds it open. */
const DECIDE = `update reports set state = $2, note = $3, decided_by = $4, decided_at = $5
  where id = $1 and state = 'open' returning id`;

/** Reports of users, and the review of the first chapters of new uploaders. */
@Injectable()
export class PublishingModerationService {
  constructor(
    @InjectRepository(Report) private readonly reports: Repository<Report>,
    private readonly projects: ProjectSearchService,
    private readonly chapters: ChapterListsService,
    private readonly publishing: ChapterPublishingService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /** Reports a project that the caller sees. Throws `project_not_found`, `already_reported`. */
  async reportProject(caller: Caller, idOrSlug: string, dto: CreateReportDto): Promise<ReportDto> {
    const { id } = await this.projects.get(readerOf(caller), idOrSlug);
    return this.report(caller, id, null, dto);
  }

  /** Reports a chapter that the caller sees. Throws `chapter_not_found`, `already_reported`. */
  async reportChapter(caller: Caller, id: string, dto: CreateReportDto): Promise<ReportDto> {
    const { project_id } = await this.chapters.get(readerOf(caller), id);
    return this.report(caller, project_id, id, dto);
  }

  /** Reports in one state on what the caller sees, oldest first. Throws `invalid_cursor`. */
  async listReports(caller: Caller, { state = 'open', limit, cursor }: ReportsQueryDto): Promise<Page<ReportDto>> {
    const after = readCursor(cursor, isUuid);
    const values = new SqlValues();
    const conditions = [`r.state = ${values.add(state)}`];
    if (after !== undefined) conditions.push(`r.id > ${values.add(after)}::uuid`);
    const rows = await this.findReports(readerOf(caller), conditions, values, limit + 1);
    return toPage(rows, limit, (row) => row.id, toReportDto);
  }

  /** Closes an open report on what the caller sees. Throws `report_not_found`, `report_not_open`. */
  async decide(caller: Caller, id: string, { state, note = null }: DecideReportDto): Promise<ReportDto> {
    const values = new SqlValues();
    const isWanted = `r.id = ${values.add(id)}::uuid`;
    const [found] = await this.findReports(readerOf(caller), [isWanted], values, 1);
    if (!found) throw new Problem('report_not_found');
    return this.reports.manager.transaction(async (manager) => {
      const decided = await returningRows(manager, DECIDE, [id, state, note, caller.id, this.clock.date()]);
      const report = await manager.findOneBy(Report, { id });
      if (!report) throw new Problem('report_not_found');
      if (decided.length === 0) throw new Problem('report_not_open');
      await this.audit.write(manager, {
        action: 'report.decided',
        ...actorOf(caller),
        subject_id: id,
        details: { state, project_id: report.project_id, chapter_id: report.chapter_id },
      });
      return toReportDto(report);
    });
  }

  /** The chapters that wait for approval and that the caller sees, oldest first. Throws `invalid_cursor`. */
  async listReviews(caller: Caller, { limit, cursor }: PageQueryDto): Promise<Page<ChapterDto>> {
    const rows = await this.chapters.findInReview(readerOf(caller), limit, readCursor(cursor, isUuid));
    return toPage(rows, limit, (row) => row.id, toChapterDto);
  }

  /**
   * Publishes a chapter that waits for approval. Throws `chapter_not_found`, `chapter_not_in_review`, and `version_conflict` if
   * it is not in the expected version.
   */
  approve(caller: Caller, id: string, expected: number | undefined): Promise<void> {
    return this.decideReview(caller, id, expected, null);
  }

  /** Refuses a chapter that waits for approval. Throws what `approve` throws. */
  reject(caller: Caller, id: string, expected: number | undefined, reason: string): Promise<void> {
    return this.decideReview(caller, id, expected, reason);
  }

  /** The lock on the chapter makes the first of several decisions the only one. */
  private async decideReview(
    caller: Caller,
    id: string,
    expected: number | undefined,
    reason: string | null,
  ): Promise<void> {
    await this.reports.manager.transaction(async (manager) => {
      const { chapter } = await lockChapter(manager, id);
      if (chapter.state !== 'review') throw new Problem('chapter_not_in_review');
      if (expected !== undefined && expected !== chapter.version) throw new Problem('version_conflict');
      if (reason === null) await this.publishing.show(manager, id);
      else await this.publishing.reject(manager, id, reason);
      await this.audit.write(manager, {
        action: reason === null ? 'chapter.approved' : 'chapter.rejected',
        ...actorOf(caller),
        subject_id: id,
        details: { uploader_id: chapter.uploader_id, ...(reason === null ? {} : { reason }) },
      });
    });
  }

  /** Reports on projects and chapters that the reader sees. */
  private findReports(reader: Reader, conditions: string[], values: SqlValues, limit: number): Promise<Report[]> {
    const isVisible = `case when r.chapter_id is null then ${visibleProject(reader, values)}
      else ${visibleChapter(reader, this.clock.date(), values)} end`;
    return this.reports.query<Report[]>(
      `select r.* from reports r join projects p on p.id = r.project_id left join chapters c on c.id = r.chapter_id
        where ${[...conditions, isVisible].join(' and ')} order by r.id limit ${values.add(limit)}`,
      values.all,
    );
  }

  private report(
    caller: Caller,
    project_id: string,
    chapter_id: string | null,
    { reason, text = '' }: CreateReportDto,
  ): Promise<ReportDto> {
    const id = uuidv7();
    return this.reports.manager.transaction(async (manager) => {
      const decision = { decided_by: null, decided_at: null, note: null };
      const row = {
        id,
        project_id,
        chapter_id,
        reporter_id: caller.id,
        reason,
        text,
        state: 'open' as const,
        ...decision,
      };
      await manager.insert(Report, { ...row, created_at: this.clock.date() });
      await this.audit.write(manager, {
        action: 'report.created',
        ...actorOf(caller),
        subject_id: id,
        details: { project_id, chapter_id, reason },
      });
      return toReportDto(await manager.findOneByOrFail(Report, { id }));
    });
  }
}

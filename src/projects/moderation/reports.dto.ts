import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { IsLine, IsOptionalNotNull } from '../../http/validation.js';
import { DecisionDto } from '../../http/versions.dto.js';
import { ChapterDto } from '../chapters/chapters.dto.js';
import { IsText } from '../fields.js';
import { type Report, REPORT_REASONS, REPORT_STATES, type ReportReason, type ReportState } from './report.entity.js';

/** A report on a project or a chapter. */
export class CreateReportDto {
  /** @example bad_quality */
  @IsIn(REPORT_REASONS)
  reason: ReportReason;
  /** @example "Page 7 is missing." */
  @IsOptionalNotNull()
  @IsText(1000)
  text?: string;
}

/** Query parameters of the queue of reports. */
export class ReportsQueryDto extends PageQueryDto {
  /** The default is `open`. */
  @IsOptional()
  @IsIn(REPORT_STATES)
  state?: ReportState;
}

/** The decision on a report. */
export class DecideReportDto {
  /** @example resolved */
  @IsIn(['resolved', 'dismissed'])
  state: 'resolved' | 'dismissed';
  /** @example "The page has been added." */
  @IsOptional()
  @IsLine(1, 300)
  note?: string | null;
}

/** Why a chapter is refused. */
export class RejectChapterDto extends DecisionDto {
  /**
   * The uploader reads it.
   * @example "The pages are in the wrong order."
   */
  @IsLine(1, 300)
  reason: string;
}

/** A report in the queue. */
export class ReportDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5a */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c */
  @ApiProperty({ format: 'uuid' })
  project_id: string;
  /** Null: the report is on the project. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  chapter_id: string | null;
  /** Null: the user has been deleted. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  reporter_id: string | null;
  /** @example bad_quality */
  reason: ReportReason;
  /** @example "Page 7 is missing." */
  text: string;
  /** @example open */
  state: ReportState;
  decided_at: Date | null;
  /** @example "The page has been added." */
  note: string | null;
  created_at: Date;
}

/** A page of reports. */
export class ReportsPageDto {
  items: ReportDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A page of chapters that wait for approval. */
export class ReviewQueuePageDto {
  items: ChapterDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export const toReportDto = (report: Report): ReportDto => ({
  id: report.id,
  project_id: report.project_id,
  chapter_id: report.chapter_id,
  reporter_id: report.reporter_id,
  reason: report.reason,
  text: report.text,
  state: report.state,
  decided_at: report.decided_at,
  note: report.note,
  created_at: report.created_at,
});

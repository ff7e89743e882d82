import { ApiProperty, OmitType, PartialType } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { IsQueryBoolean, PageQueryDto } from '../../http/pagination.dto.js';
import { IsVersion } from '../../http/versions.dto.js';
import { InLowerCase, IsLine, IsOptionalNotNull } from '../../http/validation.js';
import { IsText, IsTimestamp } from '../fields.js';
import { type Announcement, ANNOUNCEMENT_KINDS, type AnnouncementKind } from './announcement.entity.js';

/** An announcement or a blog post to publish. */
export class CreateAnnouncementDto {
  /** @example announcement */
  @IsIn(ANNOUNCEMENT_KINDS)
  kind: AnnouncementKind;
  /** The project that it is about; null: the whole site. */
  @IsOptional()
  @IsUUID()
  @InLowerCase()
  project_id?: string | null;
  /** @example "New chapters every Friday" */
  @IsLine(1, 200)
  title: string;
  /**
   * Markdown. The server does not turn it into HTML: clients do, and must not let HTML in it through.
   * @example "From **May** on, chapters appear on Fridays."
   */
  @IsText(30_000)
  body: string;
  /**
   * Readers see it from then on. The default is now.
   * @example "2027-01-18T03:00:00.000Z"
   */
  @IsOptionalNotNull()
  @IsTimestamp()
  published_at?: Date;
}

/** Changes of an announcement. A field that is left out stays as it is. */
export class UpdateAnnouncementDto extends PartialType(OmitType(CreateAnnouncementDto, ['kind', 'project_id']), {
  skipNullProperties: false,
}) {
  /**
   * The version that the changes are based on; or send `If-Match`.
   * @example 1
   */
  @IsVersion()
  version?: number;
}

/** Query parameters of the list of announcements. */
export class AnnouncementsQueryDto extends PageQueryDto {
  @IsOptional()
  @IsIn(ANNOUNCEMENT_KINDS)
  @ApiProperty({ enum: ANNOUNCEMENT_KINDS, required: false })
  kind?: AnnouncementKind;
  /** Only those about this project. */
  @IsOptional()
  @IsUUID()
  project_id?: string;
  /** Only those that the caller has read, or has not read. */
  @IsQueryBoolean()
  is_read?: boolean;
}

/** An announcement or a blog post. */
export class AnnouncementDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a70 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example announcement */
  kind: AnnouncementKind;
  /** The project that it is about; null: the whole site. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  project_id: string | null;
  /** Null: the user has been deleted. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  author_id: string | null;
  /** @example "New chapters every Friday" */
  title: string;
  /**
   * Markdown.
   * @example "From **May** on, chapters appear on Fridays."
   */
  body: string;
  published_at: Date;
  /**
   * Whether the caller has read it; false for callers who are not signed in.
   * @example false
   */
  is_read: boolean;
  /**
   * Send it with a change, as `version` or in `If-Match`.
   * @example 1
   */
  version: number;
  created_at: Date;
  updated_at: Date;
}

/** A page of announcements. */
export class AnnouncementsPageDto {
  items: AnnouncementDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** How many announcements the caller has not read. */
export class UnreadAnnouncementsDto {
  /** @example 3 */
  unread_count: number;
}

/** An announcement as the statements of this folder read it. */
export type ListedAnnouncement = Omit<Announcement, 'project' | 'author'> & { is_read: boolean };

export const toAnnouncementDto = (row: ListedAnnouncement): AnnouncementDto => ({
  id: row.id,
  kind: row.kind,
  project_id: row.project_id,
  author_id: row.author_id,
  title: row.title,
  body: row.body,
  published_at: row.published_at,
  is_read: row.is_read,
  version: row.version,
  created_at: row.created_at,
  updated_at: row.updated_at,
});

import { ApiProperty, PartialType } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsBoolean, IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { IsLine, IsOptionalNotNull } from '../../http/validation.js';
import { IsVersion } from '../../http/versions.dto.js';
import { IsLanguage, IsNumberText, IsTimestamp } from '../fields.js';
import { PageDto } from '../pages/pages.dto.js';
import type { Chapter, ChapterState } from './chapter.entity.js';

/** A chapter to create, as a draft without pages. */
export class CreateChapterDto {
  /**
   * Digits with dots, compared part by part (3.9 is before 3.10, and 2 is 2.0), or another short text; null: a chapter
   * without a number, which is sorted last.
   * @example "3.10"
   */
  @IsOptional()
  @IsNumberText()
  number?: string | null;
  /**
   * Sorts the chapter as if it had this number; null: as its own.
   * @example "3.5"
   */
  @IsOptional()
  @IsNumberText()
  sort_as?: string | null;
  /** @example "2" */
  @IsOptional()
  @IsNumberText()
  volume?: string | null;
  /** @example "The Lighthouse" */
  @IsOptional()
  @IsLine(1, 200)
  title?: string | null;
  /**
   * A language tag (BCP 47).
   * @example en
   */
  @IsLanguage()
  language: string;
  /** The ids of the release groups. */
  @IsOptionalNotNull()
  @IsArray()
  @ArrayMaxSize(10)
  @ArrayUnique((id) => (typeof id === 'string' ? id.toLowerCase() : id))
  @IsUUID(undefined, { each: true })
  release_group_ids?: string[];
  /**
   * Readers see the chapter from then on, with early access some days before; null: as soon as it is published.
   * @example "2027-01-18T03:00:00.000Z"
   */
  @IsOptional()
  @IsTimestamp()
  release_at?: Date | null;
  /**
   * A hidden chapter is visible to its uploader and with `view_hidden` only.
   * @example false
   */
  @IsOptionalNotNull()
  @IsBoolean()
  is_hidden?: boolean;
}

/** Changes of a chapter. A field that is left out stays as it is. */
export class UpdateChapterDto extends PartialType(CreateChapterDto, { skipNullProperties: false }) {
  /**
   * The version that the changes are based on; or send `If-Match`.
   * @example 3
   */
  @IsVersion()
  version?: number;
}

/** Query parameters of the list of the chapters of a project. */
export class ChaptersQueryDto extends PageQueryDto {
  /** @example en */
  @IsOptional()
  @IsLanguage()
  language?: string;
  /** Only chapters of this release group. */
  @IsOptional()
  @IsUUID()
  release_group?: string;
  /** By number; the default is `asc`. */
  @IsOptional()
  @IsIn(['asc', 'desc'])
  order?: 'asc' | 'desc';
}

/** Query parameters of the list of the latest chapters. */
export class LatestChaptersQueryDto extends PageQueryDto {
  /** @example en */
  @IsOptional()
  @IsLanguage()
  language?: string;
}

/** The project of a chapter. */
export class ChapterProjectDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example yokohama-kaidashi-kiko */
  slug: string;
  /** @example "Yokohama Kaidashi Kikō" */
  title: string;
}

/** A release group of a chapter. */
export class ChapterReleaseGroupDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example "Harbour Scans" */
  name: string;
}

/** A chapter. */
export class ChapterDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e */
  @ApiProperty({ format: 'uuid' })
  id: string;
  project: ChapterProjectDto;
  /** @example "3.10" */
  number: string | null;
  /** @example "3.5" */
  sort_as: string | null;
  /** @example "2" */
  volume: string | null;
  /** @example "The Lighthouse" */
  title: string | null;
  /** @example en */
  language: string;
  release_groups: ChapterReleaseGroupDto[];
  /** The user who uploaded it; null: the user has been deleted. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  uploader_id: string | null;
  /** @example published */
  state: ChapterState;
  release_at: Date | null;
  /** @example false */
  is_hidden: boolean;
  published_at: Date | null;
  /** When the caller could first read it; null: it is not published. */
  readable_at: Date | null;
  /** @example 24 */
  page_count: number;
  /**
   * Send it with a change, as `version` or in `If-Match`.
   * @example 3
   */
  version: number;
  created_at: Date;
  updated_at: Date;
}

/** A chapter with its pages and its neighbours. */
export class ChapterDetailsDto extends ChapterDto {
  /**
   * Why a moderator has refused the chapter; null: none has.
   * @example "The pages are in the wrong order."
   */
  rejection_reason: string | null;
  /** In reading order. */
  pages: PageDto[];
  /**
   * The chapter before it that the caller sees, in the same language; null: it is the first.
   * @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5a
   */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  previous_id: string | null;
  /**
   * The chapter after it that the caller sees, in the same language; null: it is the last.
   * @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5f
   */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  next_id: string | null;
}

/** The order of the pages of a chapter. */
export class OrderPagesDto {
  /** The ids of all pages of the chapter, in their new order. */
  @IsArray()
  @ArrayMaxSize(1000)
  @IsUUID(undefined, { each: true })
  page_ids: string[];
  /**
   * The version of the chapter that the change is based on; or send `If-Match`.
   * @example 3
   */
  @IsVersion()
  version?: number;
}

/** A page of chapters. */
export class ChaptersPageDto {
  items: ChapterDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A chapter as the statements of this folder read it. */
export type ListedChapter = Omit<Chapter, 'project' | 'uploader'> & {
  project_slug: string;
  project_title: string;
  project_is_hidden: boolean;
  release_groups: ChapterReleaseGroupDto[];
  readable_at: Date | null;
};

export const toChapterDto = (chapter: ListedChapter): ChapterDto => ({
  id: chapter.id,
  project: { id: chapter.project_id, slug: chapter.project_slug, title: chapter.project_title },
  number: chapter.number,
  sort_as: chapter.sort_as,
  volume: chapter.volume,
  title: chapter.title,
  language: chapter.language,
  release_groups: chapter.release_groups,
  uploader_id: chapter.uploader_id,
  state: chapter.state,
  release_at: chapter.release_at,
  is_hidden: chapter.is_hidden,
  published_at: chapter.published_at,
  readable_at: chapter.readable_at,
  page_count: chapter.page_count,
  version: chapter.version,
  created_at: chapter.created_at,
  updated_at: chapter.updated_at,
});

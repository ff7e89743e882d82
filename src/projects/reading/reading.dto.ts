import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsInt,
  IsObject,
  IsOptional,
  IsUUID,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { IsQueryBoolean, PageQueryDto } from '../../http/pagination.dto.js';
import { IsOptionalNotNull } from '../../http/validation.js';
import { ChapterDto } from '../chapters/chapters.dto.js';
import { IsLanguage, IsTimestamp } from '../fields.js';
import { ProjectDto } from '../projects/projects.dto.js';

const MAX_PAGE = 100_000;

/** How far the caller has read a chapter. */
export class SetProgressDto {
  /**
   * The last page that the caller has seen, from 1. Without it, `is_read` sets it to the last page of the chapter.
   * @example 12
   */
  @IsOptionalNotNull()
  @IsInt()
  @Min(0)
  @Max(MAX_PAGE)
  page?: number;
  /**
   * Whether the chapter is read. Without it, the chapter is read if `page` is its last page.
   * @example false
   */
  @IsOptionalNotNull()
  @IsBoolean()
  is_read?: boolean;
  /**
   * When it was read on the device; now, if it is left out. An older change than the stored one has no effect.
   * @example "2027-01-18T03:00:00.000Z"
   */
  @IsOptionalNotNull()
  @IsTimestamp()
  changed_at?: Date;
}

/** A change of an offline device. */
export class ProgressChangeDto extends SetProgressDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e */
  @IsUUID()
  chapter_id: string;
}

/** The changes of an offline device. */
export class MergeProgressDto {
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(200)
  @IsObject({ each: true }) // without it, arrays of valid elements would be elements
  @ValidateNested({ each: true })
  @Type(() => ProgressChangeDto)
  changes: ProgressChangeDto[];
}

/** How far the caller has read a chapter. */
export class ProgressDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e */
  @ApiProperty({ format: 'uuid' })
  chapter_id: string;
  /** @example 12 */
  page: number;
  /** @example false */
  is_read: boolean;
  /** Null: the caller has not opened the chapter. */
  changed_at: Date | null;
}

/** The stored progress after a merge. */
export class MergedProgressDto {
  /** Chapters that the caller does not see are left out. */
  items: ProgressDto[];
}

/** Query parameters of the caller's feed. */
export class MyFeedQueryDto extends PageQueryDto {
  /** @example en */
  @IsOptional()
  @IsLanguage()
  language?: string;
  /** Only chapters that the caller has not read, or only those that the caller has read. */
  @IsQueryBoolean()
  is_read?: boolean;
}

/** A project in a list of the caller. */
export class BookmarkDto {
  project: ProjectDto;
  /**
   * Published chapters that the caller sees and has not read.
   * @example 3
   */
  unread_count: number;
  created_at: Date;
}

/** A page of projects in a list of the caller. */
export class BookmarksPageDto {
  items: BookmarkDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A chapter with the caller's progress. */
export class ChapterWithProgressDto {
  chapter: ChapterDto;
  progress: ProgressDto;
}

/** A page of chapters with the caller's progress. */
export class ChaptersWithProgressPageDto {
  items: ChapterWithProgressDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

import { ApiProperty, type ApiPropertyOptions, PartialType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsObject,
  IsOptional,
  ValidateBy,
  ValidateNested,
} from 'class-validator';
import { IsQueryBoolean, PageQueryDto } from '../../http/pagination.dto.js';
import { IsLine, IsOptionalNotNull } from '../../http/validation.js';
import { IsVersion } from '../../http/versions.dto.js';
import { PageImagesDto } from '../pages/pages.dto.js';
import { IsLanguage, IsQueryList, IsTags, IsText } from '../fields.js';
import {
  CONTENT_RATINGS,
  type ContentRating,
  PERSON_ROLES,
  type PersonRole,
  type Project,
  PROJECT_STATUSES,
  type ProjectStatus,
  READING_DIRECTIONS,
  type ReadingDirection,
} from './project.entity.js';
import { isSlug } from './slugs.js';

export const PROJECT_SORTS = ['updated', 'created', 'title', 'relevance'] as const;
export type ProjectSort = (typeof PROJECT_SORTS)[number];

/** A title in another language. */
export class AlternativeTitleDto {
  /** @example ja */
  @IsLanguage()
  language: string;
  /** @example "ヨコハマ買い出し紀行" */
  @IsLine(1, 200)
  title: string;
}

/** A person who worked on a project. */
export class ProjectPersonDto {
  /** @example "Hitoshi Ashinano" */
  @IsLine(1, 100)
  name: string;
  /** @example author */
  @IsIn(PERSON_ROLES)
  role: PersonRole;
}

const IsSlug = (): PropertyDecorator =>
  ValidateBy({
    name: 'isSlug',
    validator: {
      validate: (value) => typeof value === 'string' && isSlug(value),
      defaultMessage: () => '$property must be lower-case letters and digits with hyphens, such as quiet-harbour',
    },
  });

/** A project to create. */
export class CreateProjectDto {
  /** @example "Yokohama Kaidashi Kikō" */
  @IsLine(1, 200)
  title: string;
  /**
   * The name in links, unique. Without it, one is made of the title. A slug that is replaced still leads to the project.
   * @example yokohama-kaidashi-kiko
   */
  @IsOptionalNotNull()
  @IsSlug()
  slug?: string;
  @IsOptionalNotNull()
  @IsArray()
  @ArrayMaxSize(30)
  @IsObject({ each: true }) // without it, arrays of valid elements would be elements
  @ValidateNested({ each: true })
  @Type(() => AlternativeTitleDto)
  alternative_titles?: AlternativeTitleDto[];
  /** @example "A café by the sea, visited by few." */
  @IsOptionalNotNull()
  @IsText(5000)
  description?: string;
  /** @example completed */
  @IsOptionalNotNull()
  @IsIn(PROJECT_STATUSES)
  status?: ProjectStatus;
  /**
   * A language tag (BCP 47).
   * @example ja
   */
  @IsLanguage()
  original_language: string;
  /** @example everyone */
  @IsOptionalNotNull()
  @IsIn(CONTENT_RATINGS)
  content_rating?: ContentRating;
  /** @example right_to_left */
  @IsOptionalNotNull()
  @IsIn(READING_DIRECTIONS)
  reading_direction?: ReadingDirection;
  /** @example ["slice-of-life", "science-fiction"] */
  @IsOptionalNotNull()
  @IsTags(50)
  tags?: string[];
  @IsOptionalNotNull()
  @IsArray()
  @ArrayMaxSize(30)
  @IsObject({ each: true }) // without it, arrays of valid elements would be elements
  @ValidateNested({ each: true })
  @Type(() => ProjectPersonDto)
  people?: ProjectPersonDto[];
  /**
   * A hidden project and its chapters are visible with `view_hidden` only; the project also with `manage_projects`.
   * @example false
   */
  @IsOptionalNotNull()
  @IsBoolean()
  is_hidden?: boolean;
}

/** Changes of a project. A field that is left out stays as it is. */
export class UpdateProjectDto extends PartialType(CreateProjectDto, { skipNullProperties: false }) {
  /**
   * The version that the changes are based on; or send `If-Match`.
   * @example 3
   */
  @IsVersion()
  version?: number;
}

/** Query parameters of the list of projects. */
export class ProjectsQueryDto extends PageQueryDto {
  /**
   * Words of a title or a person, without regard to case, accents and small errors.
   * @example "yokohama kaidasi"
   */
  @IsOptional()
  @IsLine(1, 100)
  q?: string;
  /** Only projects with all of these tags, separated by commas. */
  @IsOptional()
  @IsQueryList()
  @IsTags(20)
  @ApiProperty({ type: String, required: false, example: 'slice-of-life,science-fiction' })
  tags?: string[];
  /** Only projects with none of these tags, separated by commas. */
  @IsOptional()
  @IsQueryList()
  @IsTags(20)
  @ApiProperty({ type: String, required: false, example: 'horror' })
  without_tags?: string[];
  /** One or more, separated by commas. */
  @IsOptional()
  @IsQueryList()
  @IsIn(PROJECT_STATUSES, { each: true })
  @ApiProperty({
    type: 'array',
    items: { type: 'string', enum: [...PROJECT_STATUSES] },
    required: false,
    style: 'form',
    explode: false,
  } as ApiPropertyOptions)
  status?: ProjectStatus[];
  /** One or more, separated by commas. */
  @IsOptional()
  @IsQueryList()
  @IsIn(CONTENT_RATINGS, { each: true })
  @ApiProperty({
    type: 'array',
    items: { type: 'string', enum: [...CONTENT_RATINGS] },
    required: false,
    style: 'form',
    explode: false,
  } as ApiPropertyOptions)
  content_rating?: ContentRating[];
  /** @example ja */
  @IsOptional()
  @IsLanguage()
  original_language?: string;
  /** Only hidden projects, or only others. */
  @IsQueryBoolean()
  is_hidden?: boolean;
  /**
   * `updated`: by the newest chapter that the caller can read; `relevance`: the best matches of `q` first, which is the
   * default with `q`. Without `q` the default is `updated`.
   */
  @IsOptional()
  @IsIn(PROJECT_SORTS)
  sort?: ProjectSort;
}

/** A project. */
export class ProjectDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example yokohama-kaidashi-kiko */
  slug: string;
  /** @example "Yokohama Kaidashi Kikō" */
  title: string;
  alternative_titles: AlternativeTitleDto[];
  /** @example "A café by the sea, visited by few." */
  description: string;
  /** @example completed */
  status: ProjectStatus;
  /** @example ja */
  original_language: string;
  /** @example everyone */
  content_rating: ContentRating;
  /** @example right_to_left */
  reading_direction: ReadingDirection;
  /** @example ["slice-of-life"] */
  tags: string[];
  people: ProjectPersonDto[];
  /** The addresses of the cover; null: there is none. Like those of pages, they contain a token if not everyone sees the project. */
  @ApiProperty({ type: PageImagesDto, nullable: true })
  cover: PageImagesDto | null;
  /** @example false */
  is_hidden: boolean;
  /**
   * Send it with a change, as `version` or in `If-Match`.
   * @example 3
   */
  version: number;
  created_at: Date;
  updated_at: Date;
  /**
   * Chapters that the caller sees.
   * @example 140
   */
  chapter_count: number;
  /** When the caller could first read the newest chapter; null: there is none. */
  last_chapter_at: Date | null;
}

/** A page of projects. */
export class ProjectsPageDto {
  items: ProjectDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A version of a project. */
export class ProjectRevisionDto {
  /** @example 3 */
  version: number;
  /** The user who made the change; null: the user has been deleted. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  user_id: string | null;
  /**
   * The fields that changed, with their new values.
   * @example { "status": "completed" }
   */
  @ApiProperty({ type: 'object', additionalProperties: true })
  changes: Record<string, unknown>;
  created_at: Date;
}

/** A page of versions of a project. */
export class ProjectRevisionsPageDto {
  items: ProjectRevisionDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A row of a list of projects: the project, with what depends on the reader. */
export type ListedProject = Omit<Project, 'search_text' | 'sort_title' | 'cover'> &
  Pick<ProjectDto, 'chapter_count' | 'last_chapter_at'>;

/** A project with the addresses of its cover: see `CoverUrlsService`. */
export const toProjectDto = (project: ListedProject, cover: PageImagesDto | null): ProjectDto => ({
  id: project.id,
  slug: project.slug,
  title: project.title,
  alternative_titles: project.alternative_titles,
  description: project.description,
  status: project.status,
  original_language: project.original_language,
  content_rating: project.content_rating,
  reading_direction: project.reading_direction,
  tags: project.tags,
  people: project.people,
  cover,
  is_hidden: project.is_hidden,
  version: project.version,
  created_at: project.created_at,
  updated_at: project.updated_at,
  chapter_count: project.chapter_count,
  last_chapter_at: project.last_chapter_at,
});

import { Check, Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';
import type { Page } from '../pages/page.entity.js';

export const PROJECT_STATUSES = ['announced', 'ongoing', 'hiatus', 'completed', 'cancelled'] as const;
export type ProjectStatus = (typeof PROJECT_STATUSES)[number];

export const CONTENT_RATINGS = ['everyone', 'teen', 'mature', 'adult'] as const;
export type ContentRating = (typeof CONTENT_RATINGS)[number];

export const READING_DIRECTIONS = ['right_to_left', 'left_to_right', 'vertical'] as const;
export type ReadingDirection = (typeof READING_DIRECTIONS)[number];

export const PERSON_ROLES = ['author', 'artist', 'translator', 'editor', 'letterer', 'publisher'] as const;
export type PersonRole = (typeof PERSON_ROLES)[number];

/** A title of a project in another language. */
export interface AlternativeTitle {
  /** BCP 47. */
  language: string;
  title: string;
}

/** A person who worked on a project. */
export interface ProjectPerson {
  name: string;
  role: PersonRole;
}

/** The files of a cover. */
export type Cover = Pick<Page, 'format' | 'sizes'>;

/** A work that is published in chapters. */
@Entity('projects')
@Unique('projects_slug_key', ['slug'])
@Check('projects_slug_check', `slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 100`)
@Check('projects_status_check', `status in ('announced', 'ongoing', 'hiatus', 'completed', 'cancelled')`)
@Check('projects_content_rating_check', `content_rating in ('everyone', 'teen', 'mature', 'adult')`)
@Check('projects_reading_direction_check', `reading_direction in ('right_to_left', 'left_to_right', 'vertical')`)
@Check('projects_cover_check', `(cover_id is null) = (cover is null)`)
@Index('projects_cover_id_key', ['cover_id'], { unique: true })
@Index('projects_sort_title_idx', ['sort_title', 'id'])
@Index('projects_newest_at_idx', ['newest_at', 'id'])
@Index('projects_tags_idx', { synchronize: false }) // gin (tags)
@Index('projects_search_idx', { synchronize: false }) // gin (search_text gin_trgm_ops)
export class Project {
  /** UUID v7, made by the application: the order of ids is the order of creation. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'projects_pkey' }) id: string;
  @Column('text') slug: string;
  @Column('text') title: string;
  @Column('jsonb') alternative_titles: AlternativeTitle[];
  @Column('text') description: string;
  @Column('text') status: ProjectStatus;
  /** BCP 47. */
  @Column('text') original_language: string;
  @Column('text') content_rating: ContentRating;
  @Column('text') reading_direction: ReadingDirection;
  @Column('text', { array: true }) tags: string[];
  @Column('jsonb') people: ProjectPerson[];
  /** A hidden project and its chapters are visible to few readers only: see `visibility`. */
  @Column('boolean', { default: false }) is_hidden: boolean;
  /** Increases with each change. A change names the version that it is based on. */
  @Column('integer', { default: 1 }) version: number;
  /** All titles and people, folded: what a search compares. */
  @Column('text', { select: false }) search_text: string;
  /** The first 60 characters of the folded title: the order of titles. */
  @Column({ type: 'text', select: false, collation: 'C' }) sort_title: string;
  /** The files of the cover have this id, like those of a page. */
  @Column('uuid', { nullable: true }) cover_id: string | null;
  @Column('jsonb', { nullable: true, select: false }) cover: Cover | null;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;
  /**
   * When its newest chapter that is not hidden is or will be readable by everyone; without one, when the project was created. Triggers
   * keep it.
   */
  @Column({ type: 'timestamptz', insert: false, update: false, select: false }) newest_at: Date;
}

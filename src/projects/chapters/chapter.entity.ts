import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Project } from '../projects/project.entity.js';

/**
 * - `draft`: has no pages yet, or they are being uploaded.
 * - `processing`: its pages are being processed.
 * - `review`: waits for the approval of a moderator.
 * - `published`: readers see it from its release on.
 * - `rejected`: a moderator has refused it.
 * - `failed`: its pages could not be processed.
 */
export const CHAPTER_STATES = ['draft', 'processing', 'review', 'published', 'rejected', 'failed'] as const;
export type ChapterState = (typeof CHAPTER_STATES)[number];

/** A chapter of a project. */
@Entity('chapters')
@Check('chapters_state_check', `state in ('draft', 'processing', 'review', 'published', 'rejected', 'failed')`)
@Check('chapters_published_at_check', `state <> 'published' or published_at is not null`)
@Check('chapters_page_count_check', `page_count >= 0`)
@Check('chapters_rejection_reason_check', `rejection_reason is null or state = 'rejected'`)
// Rejected and failed chapters do not stand in the way of another upload.
@Index('chapters_number_key', ['project_id', 'number_key', 'language', 'groups_key'], {
  unique: true,
  where: `state not in ('rejected', 'failed')`,
})
@Index('chapters_order_idx', ['project_id', 'sort_key', 'number_key', 'id'])
@Index('chapters_uploader_id_idx', ['uploader_id', 'project_id'])
@Index('chapters_published_at_idx', ['published_at', 'id'], { where: `state = 'published'` })
@Index('chapters_readable_at_idx', { synchronize: false }) // (greatest(shown_at, release_at), id) of published chapters
@Index('chapters_latest_idx', { synchronize: false }) // (project_id, greatest(shown_at, release_at), id) of published chapters
@Index('chapters_review_idx', ['id'], { where: `state = 'review'` })
export class Chapter {
  /** UUID v7, made by the application. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'chapters_pkey' }) id: string;
  @Column('uuid') project_id: string;
  /** As entered, such as "3.10"; null for a chapter without a number. */
  @Column('text', { nullable: true }) number: string | null;
  /** The same for numbers that mean the same, such as 2 and 2.0. */
  @Column({ type: 'text', collation: 'C' }) number_key: string;
  /** Decides about the order: that of the number, or of the number that the uploader wants it sorted as. */
  @Column({ type: 'text', collation: 'C' }) sort_key: string;
  /** The number as which the chapter is sorted; null: its own. */
  @Column('text', { nullable: true }) sort_as: string | null;
  @Column('text', { nullable: true }) volume: string | null;
  @Column('text', { nullable: true }) title: string | null;
  /** BCP 47. */
  @Column('text') language: string;
  /** The ids of the release groups in order, with commas. */
  @Column('text') groups_key: string;
  /** Null: the user has been deleted. */
  @Column('uuid', { nullable: true }) uploader_id: string | null;
  @Column('text') state: ChapterState;
  /** Why a moderator has refused the chapter. */
  @Column('text', { nullable: true }) rejection_reason: string | null;
  /** Readers see the chapter from then on, with early access some days before; null: as soon as it is published. */
  @Column('timestamptz', { nullable: true }) release_at: Date | null;
  @Column('boolean', { default: false }) is_hidden: boolean;
  /** When the state became `published`. */
  @Column('timestamptz', { nullable: true }) published_at: Date | null;
  /** When it was first published with neither the chapter nor its project hidden. */
  @Column('timestamptz', { nullable: true }) shown_at: Date | null;
  @Column('integer', { default: 0 }) page_count: number;
  /** Increases with each change. A change names the version that it is based on. */
  @Column('integer', { default: 1 }) version: number;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;

  @ManyToOne(() => Project, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'chapters_project_id_fkey' })
  project: Project;

  @ManyToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'uploader_id', foreignKeyConstraintName: 'chapters_uploader_id_fkey' })
  uploader: User | null;
}

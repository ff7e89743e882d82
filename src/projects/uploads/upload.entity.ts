import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Chapter } from '../chapters/chapter.entity.js';
import { Project } from '../projects/project.entity.js';

/**
 * - `open`: takes files.
 * - `committing`: its files become the pages of a chapter.
 * - `committed`: the chapter has its pages.
 * - `failed`: the chapter has not got them; see `problem`.
 * - `abandoned`: by the user, or expired. Its files are being deleted, then the row.
 */
export const UPLOAD_STATES = ['open', 'committing', 'committed', 'failed', 'abandoned'] as const;
export type UploadState = (typeof UPLOAD_STATES)[number];

/** An upload session: files of a user that become the pages of one chapter. */
@Entity('uploads')
@Check('uploads_state_check', `state in ('open', 'committing', 'committed', 'failed', 'abandoned')`)
@Check('uploads_counts_check', `file_count >= 0 and byte_count >= 0 and done between 0 and file_count`)
@Index('uploads_user_id_key', ['user_id'], { unique: true, where: `state in ('open', 'committing')` })
@Index('uploads_user_id_idx', ['user_id', 'id'])
@Index('uploads_committing_idx', ['claimed_until'], { where: `state = 'committing'` })
@Index('uploads_expires_at_idx', ['expires_at'])
@Index('uploads_project_id_idx', ['project_id'])
@Index('uploads_chapter_id_idx', ['chapter_id'])
export class Upload {
  /** UUID v7, made by the application. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'uploads_pkey' }) id: string;
  /** Null: the user has been deleted, and the worker abandons the upload. */
  @Column('uuid', { nullable: true }) user_id: string | null;
  /** Null: the project has been deleted. */
  @Column('uuid', { nullable: true }) project_id: string | null;
  /** Of a draft that gets the pages, or of the chapter that the commit has created. */
  @Column('uuid', { nullable: true }) chapter_id: string | null;
  @Column('text') state: UploadState;
  /** Increases with each change of the files. */
  @Column('integer', { default: 1 }) version: number;
  @Column('integer', { default: 0 }) file_count: number;
  @Column('bigint', { default: 0 }) byte_count: string;
  /** The pages that are processed. */
  @Column('integer', { default: 0 }) done: number;
  /** The code of the problem that failed the commit. */
  @Column('text', { nullable: true }) problem: string | null;
  /** The file that failed the commit. */
  @Column('text', { nullable: true }) problem_file: string | null;
  /** The session of the commit, for the audit log. No foreign key: the id outlives the session. */
  @Column('uuid', { nullable: true }) session_id: string | null;
  /** The run of the commit that may write, until `claimed_until` by the clock of the database. */
  @Column('uuid', { nullable: true }) claim_id: string | null;
  @Column('timestamptz', { nullable: true }) claimed_until: Date | null;
  /** Runs of the commit since its last page. */
  @Column('integer', { default: 0 }) attempts: number;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;
  /** When an open upload is abandoned, and when a finished one is forgotten. */
  @Column('timestamptz') expires_at: Date;

  @ManyToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'uploads_user_id_fkey' })
  user: User | null;

  @ManyToOne(() => Project, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'uploads_project_id_fkey' })
  project: Project | null;

  @ManyToOne(() => Chapter, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'chapter_id', foreignKeyConstraintName: 'uploads_chapter_id_fkey' })
  chapter: Chapter | null;
}

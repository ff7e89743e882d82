import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Chapter } from '../chapters/chapter.entity.js';
import { Project } from '../projects/project.entity.js';

export const REPORT_REASONS = ['wrong_content', 'bad_quality', 'wrong_details', 'rights', 'other'] as const;
export type ReportReason = (typeof REPORT_REASONS)[number];

export const REPORT_STATES = ['open', 'resolved', 'dismissed'] as const;
export type ReportState = (typeof REPORT_STATES)[number];

/** A user's report on a project, or on one of its chapters. */
@Entity('reports')
@Check('reports_reason_check', `reason in ('wrong_content', 'bad_quality', 'wrong_details', 'rights', 'other')`)
@Check('reports_state_check', `state in ('open', 'resolved', 'dismissed')`)
@Index('reports_state_idx', ['state', 'id'])
@Index('reports_open_key', { synchronize: false }) // one open report of a user: see the migration
@Index('reports_project_id_idx', ['project_id'])
@Index('reports_chapter_id_idx', ['chapter_id'])
@Index('reports_reporter_id_idx', ['reporter_id'])
export class Report {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'reports_pkey' }) id: string;
  @Column('uuid') project_id: string;
  /** Null: the report is on the project. */
  @Column('uuid', { nullable: true }) chapter_id: string | null;
  /** Null: the user has been deleted. */
  @Column('uuid', { nullable: true }) reporter_id: string | null;
  @Column('text') reason: ReportReason;
  @Column('text') text: string;
  @Column('text') state: ReportState;
  @Column('uuid', { nullable: true }) decided_by: string | null;
  @Column('timestamptz', { nullable: true }) decided_at: Date | null;
  @Column('text', { nullable: true }) note: string | null;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Project, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'reports_project_id_fkey' })
  project: Project;

  @ManyToOne(() => Chapter, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'chapter_id', foreignKeyConstraintName: 'reports_chapter_id_fkey' })
  chapter: Chapter | null;

  @ManyToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'reporter_id', foreignKeyConstraintName: 'reports_reporter_id_fkey' })
  reporter: User | null;
}

import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Project } from '../projects/project.entity.js';

export const ANNOUNCEMENT_KINDS = ['announcement', 'post'] as const;
export type AnnouncementKind = (typeof ANNOUNCEMENT_KINDS)[number];

/** An announcement or a blog post, of the site or of a project. */
@Entity('announcements')
@Check('announcements_kind_check', `kind in ('announcement', 'post')`)
@Index('announcements_published_at_idx', ['published_at', 'id'])
@Index('announcements_project_id_idx', ['project_id'])
@Index('announcements_author_id_idx', ['author_id'])
export class Announcement {
  /** UUID v7, made by the application. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'announcements_pkey' }) id: string;
  @Column('text') kind: AnnouncementKind;
  /** Null: of the site. */
  @Column('uuid', { nullable: true }) project_id: string | null;
  /** Null: the user has been deleted. */
  @Column('uuid', { nullable: true }) author_id: string | null;
  @Column('text') title: string;
  /** Markdown as it was written. */
  @Column('text') body: string;
  /** Readers see it from then on. */
  @Column('timestamptz') published_at: Date;
  /** Increases with each change. A change names the version that it is based on. */
  @Column('integer', { default: 1 }) version: number;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;

  @ManyToOne(() => Project, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'announcements_project_id_fkey' })
  project: Project | null;

  @ManyToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'author_id', foreignKeyConstraintName: 'announcements_author_id_fkey' })
  author: User | null;
}

import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Project } from '../projects/project.entity.js';

/** `follow`: new chapters are in the user's feed. `favourite`: a list of its own. */
export const BOOKMARK_KINDS = ['follow', 'favourite'] as const;
export type BookmarkKind = (typeof BOOKMARK_KINDS)[number];

/** A project that a user follows or has among the favourites. */
@Entity('project_bookmarks')
@Check('project_bookmarks_kind_check', `kind in ('follow', 'favourite')`)
@Index('project_bookmarks_project_id_idx', ['project_id'])
export class ProjectBookmark {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'project_bookmarks_pkey' }) user_id: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'project_bookmarks_pkey' }) kind: BookmarkKind;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'project_bookmarks_pkey' }) project_id: string;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'project_bookmarks_user_id_fkey' })
  user: User;

  @ManyToOne(() => Project, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'project_bookmarks_project_id_fkey' })
  project: Project;
}

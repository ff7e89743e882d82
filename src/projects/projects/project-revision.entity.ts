import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Project } from './project.entity.js';

/** One version of a project: the fields that changed, with their new values. */
@Entity('project_revisions')
@Index('project_revisions_user_id_idx', ['user_id'])
export class ProjectRevision {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'project_revisions_pkey' }) project_id: string;
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'project_revisions_pkey' }) version: number;
  /** Null: the user has been deleted. */
  @Column('uuid', { nullable: true }) user_id: string | null;
  @Column('jsonb') changes: Record<string, unknown>;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Project, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'project_revisions_project_id_fkey' })
  project: Project;

  @ManyToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'project_revisions_user_id_fkey' })
  user: User | null;
}

import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Project } from './project.entity.js';

/** A slug that a project has or had. It belongs to that project for good, so that old links find it. */
@Entity('project_slugs')
@Index('project_slugs_project_id_idx', ['project_id'])
export class ProjectSlug {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'project_slugs_pkey' }) slug: string;
  @Column('uuid') project_id: string;

  @ManyToOne(() => Project, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'project_id', foreignKeyConstraintName: 'project_slugs_project_id_fkey' })
  project: Project;
}

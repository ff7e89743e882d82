import { Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Chapter } from './chapter.entity.js';
import { ReleaseGroup } from './release-group.entity.js';

/** A release group of a chapter. */
@Entity('chapter_release_groups')
@Index('chapter_release_groups_group_id_idx', ['group_id'])
export class ChapterReleaseGroup {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'chapter_release_groups_pkey' }) chapter_id: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'chapter_release_groups_pkey' }) group_id: string;

  @ManyToOne(() => Chapter, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'chapter_id', foreignKeyConstraintName: 'chapter_release_groups_chapter_id_fkey' })
  chapter: Chapter;

  @ManyToOne(() => ReleaseGroup)
  @JoinColumn({ name: 'group_id', foreignKeyConstraintName: 'chapter_release_groups_group_id_fkey' })
  group: ReleaseGroup;
}

import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Chapter } from '../chapters/chapter.entity.js';

/** How far a user has read a chapter. */
@Entity('chapter_progress')
@Check('chapter_progress_page_check', 'page >= 0')
@Index('chapter_progress_changed_at_idx', ['user_id', 'changed_at', 'chapter_id'])
@Index('chapter_progress_chapter_id_idx', ['chapter_id'])
export class ChapterProgress {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'chapter_progress_pkey' }) user_id: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'chapter_progress_pkey' }) chapter_id: string;
  /** The last page that the user has seen, from 1; 0: none. */
  @Column('integer') page: number;
  @Column('boolean') is_read: boolean;
  /** When the user turned the page or set the mark, on the device. The newest change counts. */
  @Column('timestamptz') changed_at: Date;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'chapter_progress_user_id_fkey' })
  user: User;

  @ManyToOne(() => Chapter, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'chapter_id', foreignKeyConstraintName: 'chapter_progress_chapter_id_fkey' })
  chapter: Chapter;
}

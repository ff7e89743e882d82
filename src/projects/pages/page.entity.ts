import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import type { PageVariant, ProcessedPage } from '../../images/image-jobs.js';
import { Chapter } from '../chapters/chapter.entity.js';

/** A page of a chapter. Its files never change: other images are other pages. */
@Entity('pages')
// Checked at the end of a statement, so that one statement can exchange positions.
@Unique('pages_position_key', ['chapter_id', 'position'], { deferrable: 'INITIALLY IMMEDIATE' })
@Check('pages_position_check', `position >= 1`)
@Check('pages_format_check', `format in ('jpeg', 'png', 'webp', 'avif')`)
@Check('pages_size_check', `width between 1 and 10000 and height between 1 and 10000`)
export class Page {
  /** UUID v7, made by the application. Part of the file names. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'pages_pkey' }) id: string;
  @Column('uuid') chapter_id: string;
  /** From 1. */
  @Column('integer') position: number;
  /** Of the original. */
  @Column('text') format: ProcessedPage['format'];
  /** Of the original, in pixels. */
  @Column('integer') width: number;
  @Column('integer') height: number;
  /** The size of each file in bytes. */
  @Column('jsonb') sizes: Record<PageVariant, number>;
  /** CRC-32 of the original, as archives need it. */
  @Column('bigint') crc32: string;

  @ManyToOne(() => Chapter, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'chapter_id', foreignKeyConstraintName: 'pages_chapter_id_fkey' })
  chapter: Chapter;
}

import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Announcement } from './announcement.entity.js';

/** A user has read an announcement. */
@Entity('announcement_reads')
@Index('announcement_reads_announcement_id_idx', ['announcement_id'])
export class AnnouncementRead {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'announcement_reads_pkey' }) user_id: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'announcement_reads_pkey' }) announcement_id: string;
  @Column('timestamptz') read_at: Date;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'announcement_reads_user_id_fkey' })
  user: User;

  @ManyToOne(() => Announcement, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'announcement_id', foreignKeyConstraintName: 'announcement_reads_announcement_id_fkey' })
  announcement: Announcement;
}

import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../users/user.entity.js';

/** `withdrawn`: replaced by a newer one, or deleted by its owner. Only pending and approved ones have files. */
export const AVATAR_STATES = ['pending', 'approved', 'rejected', 'withdrawn'] as const;
export type AvatarState = (typeof AVATAR_STATES)[number];

/** An uploaded picture. Everybody sees it exactly while `users.avatar_id` names it. */
@Entity('avatars')
@Index('avatars_pending_key', ['user_id'], { unique: true, where: `state = 'pending'` })
@Index('avatars_approved_key', ['user_id'], { unique: true, where: `state = 'approved'` })
@Index('avatars_user_id_idx', ['user_id', 'id'])
@Index('avatars_state_idx', ['state', 'id'])
@Check('avatars_state_check', `state in ('pending', 'approved', 'rejected', 'withdrawn')`)
@Check('avatars_hash_check', `hash ~ '^[01]{128}$'`)
@Check('avatars_reason_check', `length(reason) between 1 and 500`)
export class Avatar {
  /** UUID v7, made by the application; names the files, too. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'avatars_pkey' }) id: string;
  @Column('uuid') user_id: string;
  @Column('text') state: AvatarState;
  /** What it looks like, as 128 binary digits: see picture-worker.ts. */
  @Column('text') hash: string;
  /** It looks like one that was rejected, whosever that was. */
  @Column('boolean') resembles_rejected: boolean;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz', { nullable: true }) decided_at: Date | null;
  /** The moderator; not a foreign key, since it outlives their account. */
  @Column('uuid', { nullable: true }) decided_by: string | null;
  /** What its owner is told about a rejection. */
  @Column('text', { nullable: true }) reason: string | null;
  /** Until when its owner may not upload another. */
  @Column('timestamptz', { nullable: true }) locked_until: Date | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'avatars_user_id_fkey' })
  user: User;
}

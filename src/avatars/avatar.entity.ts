import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../users/user.entity.js';

/** `withdrawn`: replaced by a newer avatar, or deleted by its owner. */
export type AvatarState = 'pending' | 'approved' | 'rejected' | 'withdrawn';

/** The states in which an avatar has files. A user has at most one avatar in each. */
export const LIVE_STATES = ['pending', 'approved'] as const satisfies AvatarState[];

/** An uploaded avatar. Everyone sees it exactly while `users.avatar_id` is its id. */
@Entity('avatars')
@Index('avatars_pending_key', ['user_id'], { unique: true, where: `state = 'pending'` })
@Index('avatars_approved_key', ['user_id'], { unique: true, where: `state = 'approved'` })
@Index('avatars_user_id_idx', ['user_id', 'id'])
@Index('avatars_state_idx', ['state', 'id'])
@Check('avatars_state_check', `state in ('pending', 'approved', 'rejected', 'withdrawn')`)
@Check('avatars_hash_check', `hash ~ '^[01]{128}$'`)
@Check('avatars_reason_check', `length(reason) between 1 and 500`)
export class Avatar {
  /** UUID v7, made by the application. Part of the file names. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'avatars_pkey' }) id: string;
  @Column('uuid') user_id: string;
  @Column('text') state: AvatarState;
  /** Perceptual hash of 128 binary digits: see square-image.ts. */
  @Column('text') hash: string;
  /** Whether its hash is close to that of a rejected avatar of any user. */
  @Column('boolean') resembles_rejected: boolean;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz', { nullable: true }) decided_at: Date | null;
  /** The moderator. No foreign key: the id outlives the account. */
  @Column('uuid', { nullable: true }) decided_by: string | null;
  /** Why it was rejected. Shown to its owner. */
  @Column('text', { nullable: true }) reason: string | null;
  /** Until when its owner may not upload another avatar. */
  @Column('timestamptz', { nullable: true }) locked_until: Date | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'avatars_user_id_fkey' })
  user: User;
}

import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { TwoFactor } from './two-factor.entity.js';

/** A sign-in that waits for its two-factor code. The first correct code deletes it. */
@Entity('two_factor_challenges')
@Index('two_factor_challenges_user_id_idx', ['user_id'])
@Index('two_factor_challenges_expires_at_idx', ['expires_at'])
export class TwoFactorChallenge {
  /** SHA-256 of the random challenge. */
  @PrimaryColumn('bytea', { primaryKeyConstraintName: 'two_factor_challenges_pkey' }) challenge_hash: Buffer;
  @Column('uuid') user_id: string;
  /**
   * The user's password hash when the challenge was issued. The challenge is invalid once the user has another one. Null:
   * the user has no password.
   */
  @Column('text', { nullable: true, select: false }) password_hash: string | null;
  /** Whether the sign-in began with the password, and not with an external identity. */
  @Column('boolean', { default: false }) is_password_verified: boolean;
  @Column('integer', { default: 0 }) wrong_codes: number;
  @Column('timestamptz') expires_at: Date;

  @ManyToOne(() => TwoFactor, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'two_factor_challenges_user_id_fkey' })
  two_factor: TwoFactor;
}

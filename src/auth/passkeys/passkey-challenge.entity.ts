import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** A ceremony under way: what the authenticator has to sign, once. */
@Entity('passkey_challenges')
@Index('passkey_challenges_user_id_idx', ['user_id'])
@Index('passkey_challenges_expires_at_idx', ['expires_at'])
export class PasskeyChallenge {
  /** In base64url. Not a secret: it is worth nothing without the private key. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'passkey_challenges_pkey' }) challenge: string;
  /** Who registers a passkey; null: somebody signs in. */
  @Column('uuid', { nullable: true }) user_id: string | null;
  @Column('timestamptz') expires_at: Date;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'passkey_challenges_user_id_fkey' })
  user: User;
}

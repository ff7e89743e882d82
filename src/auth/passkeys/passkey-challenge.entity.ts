import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** A challenge that an authenticator has to sign, valid for one response. */
@Entity('passkey_challenges')
@Index('passkey_challenges_user_id_idx', ['user_id'])
@Index('passkey_challenges_expires_at_idx', ['expires_at'])
export class PasskeyChallenge {
  /** In base64url. Not a secret: it is useless without the private key. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'passkey_challenges_pkey' }) challenge: string;
  /** The user who registers a passkey; null for a sign-in. */
  @Column('uuid', { nullable: true }) user_id: string | null;
  @Column('timestamptz') expires_at: Date;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'passkey_challenges_user_id_fkey' })
  user: User;
}

import { Column, Entity, Index, JoinColumn, OneToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** The newest verification link that was mailed for a user. A change of the address removes it. */
@Entity('email_verifications')
@Unique('email_verifications_token_hash_key', ['token_hash'])
@Index('email_verifications_expires_at_idx', ['expires_at'])
export class EmailVerification {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'email_verifications_pkey' }) user_id: string;
  @Column('bytea') token_hash: Buffer;
  /** The address it was mailed to: the user's address, or the one of a pending change. Null: the user's address, in a row of 0.1.0. */
  @Column('text', { nullable: true }) email: string | null;
  @Column('timestamptz') expires_at: Date;

  @OneToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'email_verifications_user_id_fkey' })
  user: User;
}

import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/**
 * The newest code that was requested for an address, known or not; later, the token that the code was exchanged for. Only
 * keyed hashes are stored. Removed when the user's password or address changes or the user is deactivated.
 */
@Entity('password_resets')
@Unique('password_resets_token_hash_key', ['token_hash'])
@Index('password_resets_user_id_idx', ['user_id'])
@Index('password_resets_expires_at_idx', ['expires_at'])
export class PasswordReset {
  @PrimaryColumn('bytea', { primaryKeyConstraintName: 'password_resets_pkey' }) address_key: Buffer;
  /** Null for an unknown address, which has a row so that it takes the same work. */
  @Column('uuid', { nullable: true }) user_id: string | null;
  /** Null once the code has been used. */
  @Column('bytea', { nullable: true }) code_hash: Buffer | null;
  @Column('integer') tries_left: number;
  @Column('timestamptz') expires_at: Date;
  @Column('bytea', { nullable: true }) token_hash: Buffer | null;
  @Column('timestamptz', { nullable: true }) token_expires_at: Date | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'password_resets_user_id_fkey' })
  user: User | null;
}

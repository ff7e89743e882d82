import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** The second step of a user's sign-in: an authenticator app and recovery codes. The database alone gives no code away. */
@Entity('two_factor')
export class TwoFactor {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'two_factor_pkey' }) user_id: string;
  /** What the codes are made from, sealed for this user. */
  @Column('bytea') secret: Buffer;
  /** When a first code showed that the app has the secret; null: not yet, and nothing is asked for. */
  @Column('timestamptz', { nullable: true }) confirmed_at: Date | null;
  /** The newest time step whose code was used: neither it nor an earlier one counts again. */
  @Column('integer', { default: 0 }) last_step: number;
  /** Wrong codes since the last right one, over all sign-ins. */
  @Column('integer', { default: 0 }) wrong_codes: number;
  /** No code of the app is looked at before this time. */
  @Column('timestamptz', { nullable: true }) blocked_until: Date | null;
  /** Keyed hashes of the recovery codes that are left. */
  @Column('text', { array: true, default: [] }) recovery_hashes: string[];

  @OneToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'two_factor_user_id_fkey' })
  user: User;
}

import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** A user's authenticator app and recovery codes. The stored values alone reveal no code. */
@Entity('two_factor')
export class TwoFactor {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'two_factor_pkey' }) user_id: string;
  /** The TOTP secret, encrypted and bound to the user. */
  @Column('bytea') secret: Buffer;
  /** When the first code confirmed the app; null: setup is not finished, and sign-in requires no code. */
  @Column('timestamptz', { nullable: true }) confirmed_at: Date | null;
  /** The newest time step whose code was used. Codes of this and earlier steps are refused. */
  @Column('integer', { default: 0 }) last_step: number;
  /** Wrong codes since the last correct one, over all sign-ins. */
  @Column('integer', { default: 0 }) wrong_codes: number;
  /** App codes are refused until this time. */
  @Column('timestamptz', { nullable: true }) blocked_until: Date | null;
  /** Keyed hashes of the unused recovery codes. */
  @Column('text', { array: true, default: [] }) recovery_hashes: string[];

  @OneToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'two_factor_user_id_fkey' })
  user: User;
}

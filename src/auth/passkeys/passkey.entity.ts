import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** A key pair on a user's device, of which this is the public half: the table lets nobody sign in. */
@Entity('passkeys')
@Unique('passkeys_credential_id_key', ['credential_id'])
@Index('passkeys_user_id_idx', ['user_id'])
@Check('passkeys_name_check', 'length(name) between 1 and 100')
export class Passkey {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'passkeys_pkey' }) id: string;
  @Column('uuid') user_id: string;
  @Column('text') name: string;
  /** What the authenticator calls it, in base64url. */
  @Column('text') credential_id: string;
  /** COSE (RFC 9052). */
  @Column('bytea') public_key: Buffer;
  /** How often it has signed, as its authenticator counts; 0 for those that do not count. */
  @Column('bigint') counter: string;
  /** How browsers can reach the authenticator, as it said itself. */
  @Column('text', { array: true, default: [] }) transports: string[];
  /** Whether it may live on several devices of its user. */
  @Column('boolean') is_synced: boolean;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz', { nullable: true }) last_used_at: Date | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'passkeys_user_id_fkey' })
  user: User;
}

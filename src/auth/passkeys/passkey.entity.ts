import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** The public key of a passkey. The stored values are not enough to sign in. */
@Entity('passkeys')
@Unique('passkeys_credential_id_key', ['credential_id'])
@Index('passkeys_user_id_idx', ['user_id'])
@Check('passkeys_name_check', 'length(name) between 1 and 100')
export class Passkey {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'passkeys_pkey' }) id: string;
  @Column('uuid') user_id: string;
  @Column('text') name: string;
  /** The authenticator's id of the passkey, in base64url. */
  @Column('text') credential_id: string;
  /** COSE (RFC 9052). */
  @Column('bytea') public_key: Buffer;
  /** The authenticator's signature counter; 0 if it does not count. */
  @Column('bigint') counter: string;
  /** How browsers can reach the authenticator, as reported by it. */
  @Column('text', { array: true, default: [] }) transports: string[];
  /** Whether it is synchronised between devices of its owner. */
  @Column('boolean') is_synced: boolean;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz', { nullable: true }) last_used_at: Date | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'passkeys_user_id_fkey' })
  user: User;
}

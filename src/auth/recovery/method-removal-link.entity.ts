import { Column, Entity, Index, JoinColumn, OneToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** A mailed link that removes the passkeys and external identities which an account recovery has kept. */
@Entity('method_removal_links')
@Unique('method_removal_links_token_hash_key', ['token_hash'])
@Index('method_removal_links_expires_at_idx', ['expires_at'])
export class MethodRemovalLink {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'method_removal_links_pkey' }) user_id: string;
  @Column('bytea') token_hash: Buffer;
  /** The time of the recovery. The link removes nothing that was added later. */
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') expires_at: Date;

  @OneToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'method_removal_links_user_id_fkey' })
  user: User;
}

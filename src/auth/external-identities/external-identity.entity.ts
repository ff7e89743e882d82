import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** A user's account at an identity provider. Issuer and subject together identify it. */
@Entity('external_identities')
@Unique('external_identities_issuer_subject_key', ['issuer', 'subject'])
@Index('external_identities_user_id_idx', ['user_id'])
export class ExternalIdentity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'external_identities_pkey' }) id: string;
  @Column('uuid') user_id: string;
  @Column('text') issuer: string;
  @Column('text') subject: string;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') last_used_at: Date;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'external_identities_user_id_fkey' })
  user: User;
}

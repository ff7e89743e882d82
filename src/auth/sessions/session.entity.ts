import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/**
 * One signed-in device. It holds the id of its newest identity token, to which exactly one refresh token belongs; the
 * tokens themselves are signed and not stored, so that the table alone lets nobody forge or replay one. Ending a session
 * deletes its row.
 */
@Entity('sessions')
@Unique('sessions_token_id_key', ['token_id'])
@Index('sessions_user_id_idx', ['user_id'])
export class Session {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'sessions_pkey' }) id: string;
  @Column('uuid') user_id: string;
  /** The `jti` of the newest identity token, and the `id_token` of its refresh token. */
  @Column('uuid') token_id: string;
  /** The token before it, whose refresh token has been used: shown again at once it is a lost answer, later a theft. */
  @Column('uuid', { nullable: true }) parent_id: string | null;
  /** When the newest tokens were issued; the parent was used then for the first time. */
  @Column('timestamptz') issued_at: Date;
  @Column('text', { nullable: true }) user_agent: string | null;
  @Column('inet', { nullable: true }) ip: string | null;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') last_used_at: Date;
  /** The end of the session however often it is refreshed; null: never. */
  @Column('timestamptz', { nullable: true }) expires_at: Date | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'sessions_user_id_fkey' })
  user: User;
}

import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';
import type { CompatSystem } from '../../config/compat-systems.js';

/**
 * A session on one device. Holds the id of its newest identity token, to which exactly one refresh token belongs. Tokens
 * are signed and not stored, so a copy of this table contains no credentials. Revoking a session deletes its row.
 */
@Entity('sessions')
@Unique('sessions_token_id_key', ['token_id'])
@Index('sessions_user_id_idx', ['user_id'])
@Index('sessions_expires_at_idx', ['expires_at'])
@Index('sessions_issued_at_idx', ['issued_at'])
export class Session {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'sessions_pkey' }) id: string;
  @Column('uuid') user_id: string;
  /** The `jti` of the newest identity token, and the `id_token` of its refresh token. */
  @Column('uuid') token_id: string;
  /** The token before it. Only the client `refreshed_by` may use its refresh token again; null if no client may. */
  @Column('uuid', { nullable: true }) parent_id: string | null;
  /** When the newest tokens were issued. */
  @Column('timestamptz') issued_at: Date;
  @Column('text', { nullable: true }) user_agent: string | null;
  @Column('inet', { nullable: true }) ip: string | null;
  @Column('timestamptz') created_at: Date;
  /** When the newest identity token was issued; later than `issued_at` if it was renewed without rotation. */
  @Column('timestamptz') last_used_at: Date;
  /** The replaced system whose route opened the session; null: a route of ours. */
  @Column('text', { nullable: true }) compat_system: CompatSystem | null;
  /** The client that got the newest tokens by a refresh, as `clientOf` names it; null before the first refresh. */
  @Column('text', { nullable: true }) refreshed_by: string | null;
  /** When the session expires, no matter how often it is refreshed; null: never. */
  @Column('timestamptz', { nullable: true }) expires_at: Date | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'sessions_user_id_fkey' })
  user: User;
}

import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { Session } from '../../../auth/sessions/session.entity.js';
import { User } from '../../../users/user.entity.js';

/** A browser in which a user has turned pushes on (Push API). Deleted with the session that has done so. */
@Entity('push_subscriptions')
@Unique('push_subscriptions_endpoint_key', ['endpoint'])
@Index('push_subscriptions_user_id_idx', ['user_id'])
@Index('push_subscriptions_session_id_idx', ['session_id'])
@Check('push_subscriptions_endpoint_check', 'length(endpoint) <= 2000')
@Check('push_subscriptions_keys_check', 'length(p256dh) = 65 and length(auth) = 16')
export class PushSubscription {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'push_subscriptions_pkey' }) id: string;
  @Column('uuid') user_id: string;
  @Column('uuid') session_id: string;
  /** A URL of the push service of the browser. Who knows it can delete or flood the subscription, so it is not logged. */
  @Column('text') endpoint: string;
  /** The public key of the browser: an uncompressed point of P-256. */
  @Column('bytea') p256dh: Buffer;
  /** The authentication secret of RFC 8291. */
  @Column('bytea') auth: Buffer;
  @Column('timestamptz') created_at: Date;
  /** Nothing is sent before: the push service has failed, or asks to wait. */
  @Column('timestamptz', { nullable: true }) retry_at: Date | null;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'push_subscriptions_user_id_fkey' })
  user: User;

  @ManyToOne(() => Session, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'session_id', foreignKeyConstraintName: 'push_subscriptions_session_id_fkey' })
  session: Session;
}

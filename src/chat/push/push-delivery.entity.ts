import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Message } from '../messages/message.entity.js';
import { PushSubscription } from './subscriptions/push-subscription.entity.js';

/**
 * The newest message of a conversation that is to be pushed to a subscription. Without its text, which is read when it is sent. A
 * later message replaces an earlier one that waits.
 */
@Entity('push_deliveries')
@Index('push_deliveries_due_at_idx', ['due_at'])
@Index('push_deliveries_message_id_idx', ['conversation_id', 'message_id'])
export class PushDelivery {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'push_deliveries_pkey' }) subscription_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'push_deliveries_pkey' }) conversation_id: string;
  @Column('bigint') message_id: string;
  @Column('integer', { default: 0 }) attempts: number;
  @Column('timestamptz') created_at: Date;
  /** The time of the next attempt. While a worker sends the push: the end of its lease. */
  @Column('timestamptz') due_at: Date;
  /** From this time on, the push is not sent any more. */
  @Column('timestamptz') expires_at: Date;

  @ManyToOne(() => PushSubscription, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'subscription_id', foreignKeyConstraintName: 'push_deliveries_subscription_id_fkey' })
  subscription: PushSubscription;

  @ManyToOne(() => Message, { onDelete: 'CASCADE' })
  @JoinColumn([
    {
      name: 'conversation_id',
      referencedColumnName: 'conversation_id',
      foreignKeyConstraintName: 'push_deliveries_message_id_fkey',
    },
    { name: 'message_id', referencedColumnName: 'id', foreignKeyConstraintName: 'push_deliveries_message_id_fkey' },
  ])
  message: Message;
}

import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { Message } from '../messages/message.entity.js';

/** A message that may have to be pushed. Written with the message; for whom it is pushed is decided afterwards. */
@Entity('push_messages')
export class PushMessage {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'push_messages_pkey' }) conversation_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'push_messages_pkey' }) message_id: string;
  /** Names after an `@`, in lower case. They need not be usernames. */
  @Column('text', { array: true }) mentions: string[];
  @Column('timestamptz') created_at: Date;

  @OneToOne(() => Message, { onDelete: 'CASCADE' })
  @JoinColumn([
    {
      name: 'conversation_id',
      referencedColumnName: 'conversation_id',
      foreignKeyConstraintName: 'push_messages_message_id_fkey',
    },
    { name: 'message_id', referencedColumnName: 'id', foreignKeyConstraintName: 'push_messages_message_id_fkey' },
  ])
  message: Message;
}

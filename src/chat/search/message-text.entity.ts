import { Column, Entity, Index, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { Message } from '../messages/message.entity.js';

/** The folded content of a message, in which it is searched. Written by the first search that needs it. */
@Entity('message_texts')
@Index('message_texts_search_idx', { synchronize: false }) // gin (conversation_id, folded gin_trgm_ops)
export class MessageText {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'message_texts_pkey' }) conversation_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'message_texts_pkey' }) message_id: string;
  @Column('text') folded: string;

  @OneToOne(() => Message, { onDelete: 'CASCADE' })
  @JoinColumn([
    {
      name: 'conversation_id',
      referencedColumnName: 'conversation_id',
      foreignKeyConstraintName: 'message_texts_message_id_fkey',
    },
    { name: 'message_id', referencedColumnName: 'id', foreignKeyConstraintName: 'message_texts_message_id_fkey' },
  ])
  message: Message;
}

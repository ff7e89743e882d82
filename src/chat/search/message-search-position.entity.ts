import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { Conversation } from '../conversations/conversation.entity.js';

/** Up to which message the texts of a conversation are in `message_texts`. */
@Entity('message_search_positions')
export class MessageSearchPosition {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'message_search_positions_pkey' }) conversation_id: string;
  @Column('bigint') message_id: string;

  @OneToOne(() => Conversation, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'conversation_id', foreignKeyConstraintName: 'message_search_positions_conversation_id_fkey' })
  conversation: Conversation;
}

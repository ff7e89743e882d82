import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Participant } from '../connections/participant.entity.js';
import { Conversation } from './conversation.entity.js';

/** The membership of a participant in a conversation. */
@Entity('conversation_members')
@Index('conversation_members_participant_id_idx', ['participant_id', 'conversation_id'])
export class ConversationMember {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'conversation_members_pkey' }) conversation_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'conversation_members_pkey' }) participant_id: string;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Conversation, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'conversation_id', foreignKeyConstraintName: 'conversation_members_conversation_id_fkey' })
  conversation: Conversation;

  @ManyToOne(() => Participant)
  @JoinColumn({ name: 'participant_id', foreignKeyConstraintName: 'conversation_members_participant_id_fkey' })
  participant: Participant;
}

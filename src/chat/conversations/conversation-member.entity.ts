import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { Role } from '../protocol/roles.js';
import { Participant } from '../connections/participant.entity.js';
import { Conversation } from './conversation.entity.js';

/** The membership of a participant in a conversation. */
@Entity('conversation_members')
@Index('conversation_members_participant_id_idx', ['participant_id', 'conversation_id'])
@Check('conversation_members_role_check', "role in ('owner', 'admin', 'member')")
export class ConversationMember {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'conversation_members_pkey' }) conversation_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'conversation_members_pkey' }) participant_id: string;
  @Column('timestamptz') created_at: Date;
  /** A conversation has an owner as long as it has a member who is not deleted. */
  @Column('text', { default: 'member' }) role: Role;
  /** Messages up to this id were there before the member was added, and are not shown to them. */
  @Column('bigint', { default: 0 }) joined_after_id: string;
  /** The revision of the conversation before the member was added: earlier events are not shown to them. */
  @Column('bigint', { default: 0 }) joined_revision: string;
  /** The sequence of the last message that the member has read or sent. */
  @Column('bigint', { default: 0 }) read_sequence: string;
  /** The id of that message; 0 if there is none. */
  @Column('bigint', { default: 0 }) read_message_id: string;

  @ManyToOne(() => Conversation, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'conversation_id', foreignKeyConstraintName: 'conversation_members_conversation_id_fkey' })
  conversation: Conversation;

  @ManyToOne(() => Participant)
  @JoinColumn({ name: 'participant_id', foreignKeyConstraintName: 'conversation_members_participant_id_fkey' })
  participant: Participant;
}

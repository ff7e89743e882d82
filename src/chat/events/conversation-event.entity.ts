import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Participant } from '../connections/participant.entity.js';
import { Conversation } from '../conversations/conversation.entity.js';
import { Message } from '../messages/message.entity.js';

export const EVENT_KINDS = [
  'message_edited',
  'message_deleted',
  'reaction',
  'renamed',
  'members_added',
  'member_removed',
  'member_left',
  'role_changed',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** A change of a conversation that is not a new message. Messages have revisions of the same counter. */
@Entity('conversation_events')
export class ConversationEvent {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'conversation_events_pkey' }) conversation_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'conversation_events_pkey' }) revision: string;
  @Column('text') kind: EventKind;
  @Column('bigint') actor_id: string;
  @Column('bigint', { nullable: true }) message_id: string | null;
  /** Participants whom the event is about: those who were added, removed, or have another role. */
  @Column('bigint', { array: true, default: [] }) subject_ids: string[];
  /** The new name, the new role, or the emoji; null for a reaction that was taken back. */
  @Column('text', { nullable: true }) value: string | null;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Conversation, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'conversation_id', foreignKeyConstraintName: 'conversation_events_conversation_id_fkey' })
  conversation: Conversation;

  @ManyToOne(() => Participant)
  @JoinColumn({ name: 'actor_id', foreignKeyConstraintName: 'conversation_events_actor_id_fkey' })
  actor: Participant;

  @ManyToOne(() => Message)
  @JoinColumn([
    {
      name: 'conversation_id',
      referencedColumnName: 'conversation_id',
      foreignKeyConstraintName: 'conversation_events_message_id_fkey',
    },
    { name: 'message_id', referencedColumnName: 'id', foreignKeyConstraintName: 'conversation_events_message_id_fkey' },
  ])
  message: Message | null;
}

import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Participant } from '../connections/participant.entity.js';
import { Message } from '../messages/message.entity.js';

/** The reaction of a member to a message: each member has at most one per message. */
@Entity('message_reactions')
@Check('message_reactions_emoji_check', 'length(emoji) between 1 and 16')
export class MessageReaction {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'message_reactions_pkey' }) conversation_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'message_reactions_pkey' }) message_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'message_reactions_pkey' }) participant_id: string;
  @Column('text') emoji: string;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Message, { onDelete: 'CASCADE' })
  @JoinColumn([
    {
      name: 'conversation_id',
      referencedColumnName: 'conversation_id',
      foreignKeyConstraintName: 'message_reactions_message_id_fkey',
    },
    { name: 'message_id', referencedColumnName: 'id', foreignKeyConstraintName: 'message_reactions_message_id_fkey' },
  ])
  message: Message;

  @ManyToOne(() => Participant)
  @JoinColumn({ name: 'participant_id', foreignKeyConstraintName: 'message_reactions_participant_id_fkey' })
  participant: Participant;
}

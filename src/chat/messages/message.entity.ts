import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, PrimaryGeneratedColumn, Unique } from 'typeorm';
import { Conversation } from '../conversations/conversation.entity.js';
import { Participant } from '../connections/participant.entity.js';
import type { AttachmentDto } from '../protocol/message.dto.js';

/** A message of a conversation. Created only by the function `append_messages`, also for messages with attachments. */
@Entity('messages')
@Unique('messages_revision_key', ['conversation_id', 'revision'])
@Unique('messages_nonce_key', ['nonce'])
@Check('messages_content_check', 'length(content) between 1 and 16000')
export class Message {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'messages_pkey' }) conversation_id: string;
  /** Unique over all conversations. */
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'messages_pkey',
  })
  id: string;
  /** Counts the messages of the conversation from 1 without gaps. */
  @Column('bigint') sequence: string;
  /** The revision of the conversation at which the message was appended; never changes. Later changes have revisions of their own. */
  @Column('bigint') revision: string;
  @Column('bigint') sender_id: string;
  @Column('bigint', { nullable: true }) reply_id: string | null;
  /** Identifies the message when it is sent again; see `nonceOf`. */
  @Column('uuid') nonce: string;
  @Column('text') content: string;
  @Column('timestamptz') sent_at: Date;
  /** When the content was last changed. */
  @Column('timestamptz', { nullable: true }) edited_at: Date | null;
  /** When the message was deleted. Its content is a placeholder then. */
  @Column('timestamptz', { nullable: true }) deleted_at: Date | null;
  /** What clients are told of its attachments, in order; null if it has none. They never change, so that this is a safe copy. */
  @Column('jsonb', { nullable: true }) attachments: AttachmentDto[] | null;

  /** Triggers check this and the sender instead of foreign keys: see docs/decisions/message-references.md. */
  @ManyToOne(() => Conversation, { createForeignKeyConstraints: false })
  @JoinColumn({ name: 'conversation_id' })
  conversation: Conversation;

  @ManyToOne(() => Participant, { createForeignKeyConstraints: false })
  @JoinColumn({ name: 'sender_id' })
  sender: Participant;

  @ManyToOne(() => Message)
  @JoinColumn([
    {
      name: 'conversation_id',
      referencedColumnName: 'conversation_id',
      foreignKeyConstraintName: 'messages_reply_fkey',
    },
    { name: 'reply_id', referencedColumnName: 'id', foreignKeyConstraintName: 'messages_reply_fkey' },
  ])
  replied: Message | null;
}

import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Participant } from '../connections/participant.entity.js';
import { Message } from '../messages/message.entity.js';

/** An earlier content of a message that was edited or deleted. Shown to moderators only. */
@Entity('message_versions')
export class MessageVersion {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'message_versions_pkey' }) conversation_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'message_versions_pkey' }) message_id: string;
  /** The revision of the conversation that replaced the content. */
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'message_versions_pkey' }) revision: string;
  @Column('text') content: string;
  @Column('bigint') replaced_by_id: string;
  @Column('timestamptz') replaced_at: Date;

  @ManyToOne(() => Message, { onDelete: 'CASCADE' })
  @JoinColumn([
    {
      name: 'conversation_id',
      referencedColumnName: 'conversation_id',
      foreignKeyConstraintName: 'message_versions_message_id_fkey',
    },
    { name: 'message_id', referencedColumnName: 'id', foreignKeyConstraintName: 'message_versions_message_id_fkey' },
  ])
  message: Message;

  @ManyToOne(() => Participant)
  @JoinColumn({ name: 'replaced_by_id', foreignKeyConstraintName: 'message_versions_replaced_by_id_fkey' })
  replacedBy: Participant;
}

import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import type { PageVariant, ProcessedPage } from '../../images/image-jobs.js';
import { Participant } from '../connections/participant.entity.js';
import { Message } from '../messages/message.entity.js';

/** A picture of a message, or of its uploader until it is sent. Its files never change. */
@Entity('attachments')
@Unique('attachments_position_key', ['conversation_id', 'message_id', 'position'])
@Check('attachments_message_check', 'num_nulls(conversation_id, message_id, position) in (0, 3)')
@Check('attachments_position_check', 'position between 1 and 10')
@Check('attachments_format_check', `format in ('jpeg', 'png', 'webp', 'avif')`)
@Check('attachments_size_check', 'width between 1 and 10000 and height between 1 and 10000')
@Index('attachments_unsent_idx', ['created_at'], { where: 'message_id is null' })
export class Attachment {
  /** UUID v7, made by the application. Part of the file names. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'attachments_pkey' }) id: string;
  /** Participant id of the uploader. */
  @Index('attachments_owner_id_idx')
  @Column('bigint')
  owner_id: string;
  /** Null, as the message and the position, until it is sent. Set by `append_message_with_attachments` only. */
  @Column('bigint', { nullable: true }) conversation_id: string | null;
  @Column('bigint', { nullable: true }) message_id: string | null;
  /** In the message, from 1. */
  @Column('smallint', { nullable: true }) position: number | null;
  /** Of the original. */
  @Column('text') format: ProcessedPage['format'];
  /** Of the original, in pixels. */
  @Column('integer') width: number;
  @Column('integer') height: number;
  /** The size of each file in bytes. */
  @Column('jsonb') sizes: Record<PageVariant, number>;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Participant)
  @JoinColumn({ name: 'owner_id', foreignKeyConstraintName: 'attachments_owner_id_fkey' })
  owner: Participant;

  @ManyToOne(() => Message, { onDelete: 'CASCADE' })
  @JoinColumn([
    {
      name: 'conversation_id',
      referencedColumnName: 'conversation_id',
      foreignKeyConstraintName: 'attachments_message_id_fkey',
    },
    { name: 'message_id', referencedColumnName: 'id', foreignKeyConstraintName: 'attachments_message_id_fkey' },
  ])
  message: Message | null;
}

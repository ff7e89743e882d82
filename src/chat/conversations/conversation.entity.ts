import { Check, Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A conversation of one or more participants. Every change of its messages or members locks this row first. */
@Entity('conversations')
@Check('conversations_name_check', 'length(name) between 1 and 100')
export class Conversation {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'conversations_pkey',
  })
  id: string;
  @Column('text') name: string;
  /** The sequence of the newest message. Sequences count from 1 without gaps. */
  @Column('bigint', { default: 0 }) last_sequence: string;
  /** Counts everything that happens in the conversation: messages, changes of members and blocks. Changed under the lock of the row. */
  @Column('bigint', { default: 0 }) revision: string;
  /** The revision of the last change of the members. */
  @Column('bigint', { default: 0 }) members_version: string;
  /** Whether a member has, or had, blocked another one. False means that no block needs to be looked up. */
  @Column('boolean', { default: false }) has_blocks: boolean;
  /** Kept by the triggers on `conversation_members`. */
  @Column('integer', { default: 0 }) members_count: number;
  @Column('timestamptz') created_at: Date;
}

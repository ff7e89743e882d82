import { Check, Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** Two or more people, or one with themselves. Whoever changes anything in it takes its row first. */
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
  /** The sequence of its newest message; they count from 1, without gaps. */
  @Column('bigint', { default: 0 }) last_sequence: string;
  /** Counts every change: a message, a member. */
  @Column('bigint', { default: 0 }) revision: string;
  /** The revision that last changed the members. */
  @Column('bigint', { default: 0 }) members_version: string;
  @Column('timestamptz') created_at: Date;
}

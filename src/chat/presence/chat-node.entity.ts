import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A process that serves the chat. It has ended when its lease has, and no database session holds the advisory lock on its id. */
@Entity('chat_nodes')
export class ChatNode {
  @PrimaryGeneratedColumn('identity', {
    type: 'integer',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'chat_nodes_pkey',
  })
  id: number;
  /** The time of the last heartbeat. */
  @Column('timestamptz') seen_at: Date;
  /** By the clock of the database. Null for a process of version 0.1, which has no lease. */
  @Column('timestamptz', { nullable: true }) lease_until: Date | null;
}

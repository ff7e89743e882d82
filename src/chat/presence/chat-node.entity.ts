import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A process that serves the chat. It is alive while a database session holds the advisory lock on its id. */
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
}

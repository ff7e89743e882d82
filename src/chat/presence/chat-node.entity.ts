import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A process that serves the chat. It lives as long as somebody holds the advisory lock on its id. */
@Entity('chat_nodes')
export class ChatNode {
  @PrimaryGeneratedColumn('identity', {
    type: 'integer',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'chat_nodes_pkey',
  })
  id: number;
  /** When it last said so itself. */
  @Column('timestamptz') seen_at: Date;
}

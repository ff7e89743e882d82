import { Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { ChatNode } from './chat-node.entity.js';
import { Participant } from '../connections/participant.entity.js';

/** A participant has at least one connection to a node. */
@Entity('presences')
@Index('presences_node_id_idx', ['node_id'])
export class Presence {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'presences_pkey' }) participant_id: string;
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'presences_pkey' }) node_id: number;

  @ManyToOne(() => Participant, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'participant_id', foreignKeyConstraintName: 'presences_participant_id_fkey' })
  participant: Participant;

  @ManyToOne(() => ChatNode, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'node_id', foreignKeyConstraintName: 'presences_node_id_fkey' })
  node: ChatNode;
}

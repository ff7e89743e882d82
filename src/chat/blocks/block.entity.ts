import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Participant } from '../connections/participant.entity.js';

/** A participant has blocked another one. */
@Entity('blocks')
@Index('blocks_blocked_id_idx', ['blocked_id'])
@Check('blocks_self_check', 'participant_id <> blocked_id')
export class Block {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'blocks_pkey' }) participant_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'blocks_pkey' }) blocked_id: string;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Participant, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'participant_id', foreignKeyConstraintName: 'blocks_participant_id_fkey' })
  participant: Participant;

  @ManyToOne(() => Participant, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'blocked_id', foreignKeyConstraintName: 'blocks_blocked_id_fkey' })
  blocked: Participant;
}

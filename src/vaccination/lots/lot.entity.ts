import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { Centre } from '../centres/centre.entity.js';
import { Vaccine } from '../vaccines/vaccine.entity.js';

/** The stock that a centre has of one lot of a vaccine. */
@Entity('vaccine_lots')
@Unique('vaccine_lots_number_key', ['vaccine_id', 'number', 'centre_id'])
@Index('vaccine_lots_centre_id_idx', ['centre_id', 'id'])
@Check('vaccine_lots_used_check', `used between 0 and received`)
export class Lot {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccine_lots_pkey' }) id: string;
  @Column('uuid') centre_id: string;
  @Column('uuid') vaccine_id: string;
  /** The number on the packaging. Compared without regard to case. */
  @Column('citext') number: string;
  /** The last day on which it may be used, in the time zone of the centre. */
  @Column('date') expires_on: string;
  /** Doses. */
  @Column('integer') received: number;
  @Column('integer', { default: 0 }) used: number;
  @Column('timestamptz', { nullable: true }) recalled_at: Date | null;
  @Column('text', { nullable: true }) recall_reason: string | null;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;

  @ManyToOne(() => Centre)
  @JoinColumn({ name: 'centre_id', foreignKeyConstraintName: 'vaccine_lots_centre_id_fkey' })
  centre: Centre;

  @ManyToOne(() => Vaccine)
  @JoinColumn({ name: 'vaccine_id', foreignKeyConstraintName: 'vaccine_lots_vaccine_id_fkey' })
  vaccine: Vaccine;
}

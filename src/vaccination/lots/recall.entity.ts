import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { Vaccine } from '../vaccines/vaccine.entity.js';

/** A lot of a vaccine that is recalled at all centres: no dose can be taken from it, and no centre can add it to its stock. */
@Entity('vaccine_recalls')
@Unique('vaccine_recalls_number_key', ['vaccine_id', 'number'])
export class Recall {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccine_recalls_pkey' }) id: string;
  @Column('uuid') vaccine_id: string;
  /** The number on the packaging. Compared without regard to case. */
  @Column('citext') number: string;
  @Column('text') reason: string;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Vaccine)
  @JoinColumn({ name: 'vaccine_id', foreignKeyConstraintName: 'vaccine_recalls_vaccine_id_fkey' })
  vaccine: Vaccine;
}

import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Appointment } from '../appointments/appointment.entity.js';
import { Centre } from '../centres/centre.entity.js';
import { Lot } from '../lots/lot.entity.js';
import { Registration } from '../registrations/registration.entity.js';
import { Vaccine } from '../vaccines/vaccine.entity.js';
import type { DoseRoute, DoseSite } from './dose-codes.js';

/** The codes of FHIR for an immunization. A wrong record stays, as `entered_in_error`. */
export const DOSE_STATUSES = ['completed', 'entered_in_error'] as const;
export type DoseStatus = (typeof DOSE_STATUSES)[number];

/** A dose that a person was given. One completed record per person, disease and dose. */
@Entity('vaccination_doses')
@Index('vaccination_doses_completed_key', ['registration_id', 'disease', 'dose'], {
  unique: true,
  where: `status = 'completed'`,
})
@Index('vaccination_doses_appointment_id_key', ['appointment_id'], { unique: true, where: `status = 'completed'` })
@Index('vaccination_doses_lot_id_idx', ['lot_id', 'id'])
@Index('vaccination_doses_centre_id_idx', ['centre_id', 'given_at'])
@Index('vaccination_doses_registration_id_idx', ['registration_id', 'given_at', 'id'])
@Index('vaccination_doses_given_at_idx', ['given_at'])
@Index('vaccination_doses_vaccine_id_idx', ['vaccine_id', 'given_at'])
@Index('vaccination_doses_vaccinator_id_idx', ['vaccinator_id'])
@Check('vaccination_doses_status_check', `status in ('completed', 'entered_in_error')`)
@Check('vaccination_doses_dose_check', `dose between 1 and 10`)
@Check(
  'vaccination_doses_error_check',
  `(status = 'entered_in_error') = (error_at is not null) and (status <> 'completed' or not is_stock_returned)`,
)
export class Dose {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_doses_pkey' }) id: string;
  @Column('uuid') registration_id: string;
  @Column('uuid') appointment_id: string;
  @Column('uuid') centre_id: string;
  @Column('uuid') vaccine_id: string;
  @Column('uuid') lot_id: string;
  /** Of the vaccine. */
  @Column('text') disease: string;
  @Column('smallint') dose: number;
  @Column('text') status: DoseStatus;
  /** Who gave it; null once the account is deleted. */
  @Column('uuid', { nullable: true }) vaccinator_id: string | null;
  /** Null for a route without a site. */
  @Column('text', { nullable: true }) site: DoseSite | null;
  @Column('text') route: DoseRoute;
  @Column('timestamptz') given_at: Date;
  @Column('timestamptz', { nullable: true }) error_at: Date | null;
  @Column('text', { nullable: true }) error_reason: string | null;
  /** Whether the record was wrong about the lot, too: no dose had been taken from it. */
  @Column('boolean', { default: false }) is_stock_returned: boolean;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Registration)
  @JoinColumn({ name: 'registration_id', foreignKeyConstraintName: 'vaccination_doses_registration_id_fkey' })
  registration: Registration;

  @ManyToOne(() => Appointment)
  @JoinColumn({ name: 'appointment_id', foreignKeyConstraintName: 'vaccination_doses_appointment_id_fkey' })
  appointment: Appointment;

  @ManyToOne(() => Centre)
  @JoinColumn({ name: 'centre_id', foreignKeyConstraintName: 'vaccination_doses_centre_id_fkey' })
  centre: Centre;

  @ManyToOne(() => Vaccine)
  @JoinColumn({ name: 'vaccine_id', foreignKeyConstraintName: 'vaccination_doses_vaccine_id_fkey' })
  vaccine: Vaccine;

  @ManyToOne(() => Lot)
  @JoinColumn({ name: 'lot_id', foreignKeyConstraintName: 'vaccination_doses_lot_id_fkey' })
  lot: Lot;

  @ManyToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'vaccinator_id', foreignKeyConstraintName: 'vaccination_doses_vaccinator_id_fkey' })
  vaccinator: User | null;
}

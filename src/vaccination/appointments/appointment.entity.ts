import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Registration } from '../registrations/registration.entity.js';
import { VaccinationSession } from '../sessions/vaccination-session.entity.js';

/** `booked` → `checked_in` → `fulfilled` (the dose is recorded); `cancelled` from booked; `no_show` from booked, after the end. */
export const APPOINTMENT_STATUSES = ['booked', 'checked_in', 'fulfilled', 'cancelled', 'no_show'] as const;
export type AppointmentStatus = (typeof APPOINTMENT_STATUSES)[number];

/**
 * A place in a session for one dose of a person. All but cancelled ones take a place: of the session's `booked`, or of its
 * `walk_ins`. A person has one live appointment (booked or checked in) for a dose against a disease.
 */
@Entity('vaccination_appointments')
@Index('vaccination_appointments_live_key', ['registration_id', 'disease', 'dose'], {
  unique: true,
  where: `status in ('booked', 'checked_in')`,
})
@Index('vaccination_appointments_session_id_idx', ['session_id', 'id'])
@Index('vaccination_appointments_registration_id_idx', ['registration_id', 'id'])
@Check(
  'vaccination_appointments_status_check',
  `status in ('booked', 'checked_in', 'fulfilled', 'cancelled', 'no_show')`,
)
@Check('vaccination_appointments_dose_check', `dose between 1 and 10`)
@Check('vaccination_appointments_moves_check', `moves between 0 and 3`)
export class Appointment {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_appointments_pkey' }) id: string;
  @Column('uuid') registration_id: string;
  @Column('uuid') session_id: string;
  /** Of the vaccine of the session. */
  @Column('text') disease: string;
  @Column('smallint') dose: number;
  @Column('text') status: AppointmentStatus;
  @Column('boolean', { default: false }) is_walk_in: boolean;
  /** How often the person moved it to another session. */
  @Column('smallint', { default: 0 }) moves: number;
  /** Wrong codes at the check-in. */
  @Column('smallint', { default: 0 }) failed_check_ins: number;
  @Column('timestamptz', { nullable: true }) checked_in_at: Date | null;
  @Column('timestamptz', { nullable: true }) cancelled_at: Date | null;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;

  @ManyToOne(() => Registration, { onDelete: 'CASCADE' })
  @JoinColumn({
    name: 'registration_id',
    foreignKeyConstraintName: 'vaccination_appointments_registration_id_fkey',
  })
  registration: Registration;

  /** Checked at the commit, after the trigger that counts places has locked the session: see docs/decisions/booking.md. */
  @ManyToOne(() => VaccinationSession, { deferrable: 'INITIALLY DEFERRED' })
  @JoinColumn({ name: 'session_id', foreignKeyConstraintName: 'vaccination_appointments_session_id_fkey' })
  session: VaccinationSession;
}

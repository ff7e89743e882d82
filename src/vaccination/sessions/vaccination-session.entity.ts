import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Centre } from '../centres/centre.entity.js';
import { Vaccine } from '../vaccines/vaccine.entity.js';

export const MAX_SESSION_HOURS = 24;

/** `draft` → `open` → `closed`; `cancelled` from any of them before its end. Places can be booked while it is open. */
export const SESSION_STATUSES = ['draft', 'open', 'closed', 'cancelled'] as const;
export type SessionStatus = (typeof SESSION_STATUSES)[number];

/** A time at which a centre gives a vaccine, with a number of places. */
@Entity('vaccination_sessions')
@Check('vaccination_sessions_status_check', `status in ('draft', 'open', 'closed', 'cancelled')`)
@Check('vaccination_sessions_time_check', `ends_at > starts_at`)
@Check('vaccination_sessions_dose_check', `dose between 1 and 10`)
@Check('vaccination_sessions_booked_check', `booked between 0 and capacity`)
@Check('vaccination_sessions_walk_ins_check', `walk_ins between 0 and walk_in_capacity`)
@Index('vaccination_sessions_starts_at_idx', ['starts_at', 'id'])
@Index('vaccination_sessions_centre_id_idx', ['centre_id', 'starts_at'])
@Index('vaccination_sessions_vaccine_id_idx', ['vaccine_id', 'starts_at'])
export class VaccinationSession {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_sessions_pkey' }) id: string;
  @Column('uuid') centre_id: string;
  @Column('uuid') vaccine_id: string;
  /** The only dose that is given; null: any. */
  @Column('smallint', { nullable: true }) dose: number | null;
  @Column('timestamptz') starts_at: Date;
  @Column('timestamptz') ends_at: Date;
  /** Bookings are refused before this time. */
  @Column('timestamptz') opens_at: Date;
  /** Places for bookings. */
  @Column('integer') capacity: number;
  /** Booked places. A trigger on the appointments keeps it. */
  @Column('integer', { default: 0 }) booked: number;
  /** Places for people without a booking. */
  @Column('integer', { default: 0 }) walk_in_capacity: number;
  @Column('integer', { default: 0 }) walk_ins: number;
  @Column('text') status: SessionStatus;
  @Column('text', { nullable: true }) cancellation_reason: string | null;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;

  @ManyToOne(() => Centre)
  @JoinColumn({ name: 'centre_id', foreignKeyConstraintName: 'vaccination_sessions_centre_id_fkey' })
  centre: Centre;

  @ManyToOne(() => Vaccine)
  @JoinColumn({ name: 'vaccine_id', foreignKeyConstraintName: 'vaccination_sessions_vaccine_id_fkey' })
  vaccine: Vaccine;
}

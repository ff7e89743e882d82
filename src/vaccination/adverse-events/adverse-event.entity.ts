import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Centre } from '../centres/centre.entity.js';
import { Dose } from '../doses/dose.entity.js';
import type { AdverseEventCode, Severity } from './adverse-event-codes.js';

/** A wrong record stays, as `entered_in_error`. */
export const ADVERSE_EVENT_STATUSES = ['recorded', 'entered_in_error'] as const;
export type AdverseEventStatus = (typeof ADVERSE_EVENT_STATUSES)[number];

/** What happened to a person after a dose, whatever caused it. It stays when the record of the dose was wrong. */
@Entity('vaccination_adverse_events')
@Index('vaccination_adverse_events_event_key', ['dose_id', 'code', 'onset_at'], {
  unique: true,
  where: `status = 'recorded'`,
})
@Index('vaccination_adverse_events_dose_id_idx', ['dose_id', 'id'])
@Index('vaccination_adverse_events_centre_id_idx', ['centre_id', 'id'])
@Index('vaccination_adverse_events_onset_at_idx', ['onset_at'])
@Index('vaccination_adverse_events_recorded_by_idx', ['recorded_by'])
@Check('vaccination_adverse_events_severity_check', `severity in ('mild', 'moderate', 'severe')`)
@Check('vaccination_adverse_events_status_check', `status in ('recorded', 'entered_in_error')`)
@Check('vaccination_adverse_events_error_check', `(status = 'entered_in_error') = (error_at is not null)`)
export class AdverseEvent {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_adverse_events_pkey' }) id: string;
  @Column('uuid') dose_id: string;
  /** Where the dose was given. */
  @Column('uuid') centre_id: string;
  @Column('text') code: AdverseEventCode;
  @Column('text') severity: Severity;
  /** Death, danger to life, a stay in hospital, or lasting harm (ICH E2A). */
  @Column('boolean') is_serious: boolean;
  @Column('timestamptz') onset_at: Date;
  @Column('text', { nullable: true }) description: string | null;
  @Column('text') status: AdverseEventStatus;
  /** Null once the account is deleted. */
  @Column('uuid', { nullable: true }) recorded_by: string | null;
  @Column('timestamptz', { nullable: true }) error_at: Date | null;
  @Column('text', { nullable: true }) error_reason: string | null;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Dose)
  @JoinColumn({ name: 'dose_id', foreignKeyConstraintName: 'vaccination_adverse_events_dose_id_fkey' })
  dose: Dose;

  @ManyToOne(() => Centre)
  @JoinColumn({ name: 'centre_id', foreignKeyConstraintName: 'vaccination_adverse_events_centre_id_fkey' })
  centre: Centre;

  @ManyToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'recorded_by', foreignKeyConstraintName: 'vaccination_adverse_events_recorded_by_fkey' })
  recorder: User | null;
}

import { Check, Column, Entity, PrimaryColumn, Unique } from 'typeorm';

/** One dose of a vaccine. The intervals count from the previous dose, in days; the first dose has none. */
export interface DosePlan {
  min_interval_days: number;
  recommended_interval_days: number;
  /** A dose given so many days too early still counts. Bookings do not use these days. */
  grace_days: number;
}

/** A vaccine of the catalogue. */
@Entity('vaccines')
@Unique('vaccines_code_key', ['code'])
@Check('vaccines_code_check', `code ~ '^[A-Za-z0-9._-]{1,40}$'`)
@Check('vaccines_ages_check', `min_age_months >= 0 and max_age_months > min_age_months`)
@Check('vaccines_doses_check', `jsonb_array_length(doses) between 1 and 10`)
export class Vaccine {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccines_pkey' }) id: string;
  /** Unique without regard to case. */
  @Column('citext') code: string;
  @Column('text') name: string;
  @Column('text') manufacturer: string;
  /** The disease it protects from, as a SNOMED CT code. A person has one course of doses per disease. */
  @Column('text') disease: string;
  /** CVX code of the CDC. */
  @Column('text', { nullable: true }) cvx_code: string | null;
  /** ATC code of the WHO. */
  @Column('text', { nullable: true }) who_code: string | null;
  @Column('integer', { default: 0 }) min_age_months: number;
  /** Persons of this age and older do not get it. */
  @Column('integer', { nullable: true }) max_age_months: number | null;
  @Column('jsonb') doses: DosePlan[];
  @Column('boolean', { default: true }) is_active: boolean;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Registered people, their appointments, the doses that they were given, and the certificates of the doses. */
export class VaccinationPeople1801000000000 implements MigrationInterface {
  name = 'VaccinationPeople1801000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `create table vaccination_registrations (
    id uuid not null,
    user_id uuid,
    place smallint not null,
    legal_name text not null,
    date_of_birth date,
    sex text,
    id_type text not null,
    id_number bytea not null,
    id_hash bytea not null,
    id_last4 text not null,
    phone text,
    status text not null,
    rejection_reason text,
    decided_by uuid,
    decided_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint vaccination_registrations_pkey primary key (id),
    constraint vaccination_registrations_user_id_fkey foreign key (user_id) references users (id) on delete set null,
    constraint vaccination_registrations_place_check check (place between 0 and 4),
    constraint vaccination_registrations_id_type_check check (id_type in ('NID', 'BIRTH_REG', 'PASSPORT')),
    constraint vaccination_registrations_sex_check check (sex in ('female', 'male', 'other')),
    constraint vaccination_registrations_status_check check (status in ('pending', 'verified', 'rejected', 'withdrawn'))
  )`,
  `create unique index vaccination_registrations_person_key on vaccination_registrations (id_hash) where status <> 'rejected'`,
  `create unique index vaccination_registrations_place_key on vaccination_registrations (user_id, place)`,
  `create index vaccination_registrations_status_idx on vaccination_registrations (status, id)`,
  `create table vaccination_appointments (
    id uuid not null,
    registration_id uuid not null,
    session_id uuid not null,
    disease text not null,
    dose smallint not null,
    status text not null,
    is_walk_in boolean not null default false,
    moves smallint not null default 0,
    failed_check_ins smallint not null default 0,
    checked_in_at timestamptz,
    cancelled_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint vaccination_appointments_pkey primary key (id),
    constraint vaccination_appointments_registration_id_fkey foreign key (registration_id)
      references vaccination_registrations (id) on delete cascade,
    constraint vaccination_appointments_session_id_fkey foreign key (session_id) references vaccination_sessions (id)
      deferrable initially deferred,
    constraint vaccination_appointments_status_check
      check (status in ('booked', 'checked_in', 'fulfilled', 'cancelled', 'no_show')),
    constraint vaccination_appointments_dose_check check (dose between 1 and 10),
    constraint vaccination_appointments_moves_check check (moves between 0 and 3)
  )`,
  `create unique index vaccination_appointments_live_key on vaccination_appointments (registration_id, disease, dose)
    where status in ('booked', 'checked_in')`,
  `create index vaccination_appointments_session_id_idx on vaccination_appointments (session_id, id)`,
  `create index vaccination_appointments_registration_id_idx on vaccination_appointments (registration_id, id)`,
  `create table vaccination_doses (
    id uuid not null,
    registration_id uuid not null,
    appointment_id uuid not null,
    centre_id uuid not null,
    vaccine_id uuid not null,
    lot_id uuid not null,
    disease text not null,
    dose smallint not null,
    status text not null,
    vaccinator_id uuid,
    site text,
    route text not null,
    given_at timestamptz not null,
    error_at timestamptz,
    error_reason text,
    is_stock_returned boolean not null default false,
    created_at timestamptz not null,
    constraint vaccination_doses_pkey primary key (id),
    constraint vaccination_doses_registration_id_fkey foreign key (registration_id)
      references vaccination_registrations (id),
    constraint vaccination_doses_appointment_id_fkey foreign key (appointment_id) references vaccination_appointments (id),
    constraint vaccination_doses_centre_id_fkey foreign key (centre_id) references vaccination_centres (id),
    constraint vaccination_doses_vaccine_id_fkey foreign key (vaccine_id) references vaccines (id),
    constraint vaccination_doses_lot_id_fkey foreign key (lot_id) references vaccine_lots (id),
    constraint vaccination_doses_vaccinator_id_fkey foreign key (vaccinator_id) references users (id) on delete set null,
    constraint vaccination_doses_status_check check (status in ('completed', 'entered_in_error')),
    constraint vaccination_doses_dose_check check (dose between 1 and 10),
    constraint vaccination_doses_error_check
      check ((status = 'entered_in_error') = (error_at is not null) and (status <> 'completed' or not is_stock_returned))
  )`,
  `create unique index vaccination_doses_completed_key on vaccination_doses (registration_id, disease, dose)
    where status = 'completed'`,
  `create unique index vaccination_doses_appointment_id_key on vaccination_doses (appointment_id)
    where status = 'completed'`,
  `create index vaccination_doses_lot_id_idx on vaccination_doses (lot_id, id)`,
  `create index vaccination_doses_centre_id_idx on vaccination_doses (centre_id, given_at)`,
  `create table vaccination_certificates (
    id uuid not null,
    dose_id uuid not null,
    uvci text not null,
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    constraint vaccination_certificates_pkey primary key (id),
    constraint vaccination_certificates_uvci_key unique (uvci),
    constraint vaccination_certificates_dose_id_fkey foreign key (dose_id) references vaccination_doses (id)
  )`,
  `create unique index vaccination_certificates_valid_key on vaccination_certificates (dose_id) where revoked_at is null`,
];

const DOWN = [
  `drop table vaccination_certificates`,
  `drop table vaccination_doses`,
  `drop table vaccination_appointments`,
  `drop table vaccination_registrations`,
];

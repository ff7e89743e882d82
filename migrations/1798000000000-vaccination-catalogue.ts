import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Vaccines, vaccination centres with their staff and stock, and sessions. */
export class VaccinationCatalogue1798000000000 implements MigrationInterface {
  name = 'VaccinationCatalogue1798000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `create table vaccines (
    id uuid not null,
    code citext not null,
    name text not null,
    manufacturer text not null,
    disease text not null,
    cvx_code text,
    who_code text,
    min_age_months integer not null default 0,
    max_age_months integer,
    doses jsonb not null,
    is_active boolean not null default true,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint vaccines_pkey primary key (id),
    constraint vaccines_code_key unique (code),
    constraint vaccines_code_check check (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    constraint vaccines_ages_check check (min_age_months >= 0 and max_age_months > min_age_months),
    constraint vaccines_doses_check check (jsonb_array_length(doses) between 1 and 10)
  )`,
  `create table vaccination_centres (
    id uuid not null,
    code citext not null,
    name text not null,
    address text not null,
    district citext not null,
    latitude double precision not null,
    longitude double precision not null,
    time_zone text not null,
    status text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint vaccination_centres_pkey primary key (id),
    constraint vaccination_centres_code_key unique (code),
    constraint vaccination_centres_code_check check (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    constraint vaccination_centres_status_check check (status in ('active', 'closed')),
    constraint vaccination_centres_latitude_check check (latitude between -90 and 90),
    constraint vaccination_centres_longitude_check check (longitude between -180 and 180)
  )`,
  `create index vaccination_centres_district_idx on vaccination_centres (district)`,
  `create table vaccination_centre_staff (
    centre_id uuid not null,
    user_id uuid not null,
    role text not null,
    created_at timestamptz not null,
    constraint vaccination_centre_staff_pkey primary key (centre_id, user_id),
    constraint vaccination_centre_staff_centre_id_fkey foreign key (centre_id)
      references vaccination_centres (id) on delete cascade,
    constraint vaccination_centre_staff_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint vaccination_centre_staff_role_check check (role in ('manager', 'vaccinator', 'registrar'))
  )`,
  `create index vaccination_centre_staff_user_id_idx on vaccination_centre_staff (user_id)`,
  `create table vaccine_lots (
    id uuid not null,
    centre_id uuid not null,
    vaccine_id uuid not null,
    number citext not null,
    expires_on date not null,
    received integer not null,
    used integer not null default 0,
    recalled_at timestamptz,
    recall_reason text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint vaccine_lots_pkey primary key (id),
    constraint vaccine_lots_number_key unique (vaccine_id, number, centre_id),
    constraint vaccine_lots_centre_id_fkey foreign key (centre_id) references vaccination_centres (id),
    constraint vaccine_lots_vaccine_id_fkey foreign key (vaccine_id) references vaccines (id),
    constraint vaccine_lots_used_check check (used between 0 and received)
  )`,
  `create index vaccine_lots_centre_id_idx on vaccine_lots (centre_id, id)`,
  `create table vaccination_sessions (
    id uuid not null,
    centre_id uuid not null,
    vaccine_id uuid not null,
    dose smallint,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    opens_at timestamptz not null,
    capacity integer not null,
    booked integer not null default 0,
    walk_in_capacity integer not null default 0,
    walk_ins integer not null default 0,
    status text not null,
    cancellation_reason text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint vaccination_sessions_pkey primary key (id),
    constraint vaccination_sessions_centre_id_fkey foreign key (centre_id) references vaccination_centres (id),
    constraint vaccination_sessions_vaccine_id_fkey foreign key (vaccine_id) references vaccines (id),
    constraint vaccination_sessions_status_check check (status in ('draft', 'open', 'closed', 'cancelled')),
    constraint vaccination_sessions_time_check check (ends_at > starts_at),
    constraint vaccination_sessions_dose_check check (dose between 1 and 10),
    constraint vaccination_sessions_booked_check check (booked between 0 and capacity),
    constraint vaccination_sessions_walk_ins_check check (walk_ins between 0 and walk_in_capacity)
  )`,
  `create index vaccination_sessions_starts_at_idx on vaccination_sessions (starts_at, id)`,
  `create index vaccination_sessions_centre_id_idx on vaccination_sessions (centre_id, starts_at)`,
];

const DOWN = [
  `drop table vaccination_sessions`,
  `drop table vaccine_lots`,
  `drop table vaccination_centre_staff`,
  `drop table vaccination_centres`,
  `drop table vaccines`,
];

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What happened to people after a dose. */
export class AdverseEvents1805000001000 implements MigrationInterface {
  name = 'AdverseEvents1805000001000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table vaccination_adverse_events');
  }
}

const UP = [
  `create table vaccination_adverse_events (
    id uuid not null,
    dose_id uuid not null,
    centre_id uuid not null,
    code text not null,
    severity text not null,
    is_serious boolean not null,
    onset_at timestamptz not null,
    description text,
    status text not null,
    recorded_by uuid,
    error_at timestamptz,
    error_reason text,
    created_at timestamptz not null,
    constraint vaccination_adverse_events_pkey primary key (id),
    constraint vaccination_adverse_events_dose_id_fkey foreign key (dose_id) references vaccination_doses (id),
    constraint vaccination_adverse_events_centre_id_fkey foreign key (centre_id) references vaccination_centres (id),
    constraint vaccination_adverse_events_recorded_by_fkey foreign key (recorded_by) references users (id)
      on delete set null,
    constraint vaccination_adverse_events_severity_check check (severity in ('mild', 'moderate', 'severe')),
    constraint vaccination_adverse_events_status_check check (status in ('recorded', 'entered_in_error')),
    constraint vaccination_adverse_events_error_check check ((status = 'entered_in_error') = (error_at is not null))
  )`,
  `create unique index vaccination_adverse_events_event_key on vaccination_adverse_events (dose_id, code, onset_at)
    where status = 'recorded'`,
  `create index vaccination_adverse_events_dose_id_idx on vaccination_adverse_events (dose_id, id)`,
  `create index vaccination_adverse_events_centre_id_idx on vaccination_adverse_events (centre_id, id)`,
  `create index vaccination_adverse_events_onset_at_idx on vaccination_adverse_events (onset_at)`,
];

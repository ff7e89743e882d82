import type { MigrationInterface, QueryRunner } from 'typeorm';

/** SMS in the outbox; what people must be told about their appointments and doses, and the reminders that were sent. */
export class VaccinationMessages1801005000000 implements MigrationInterface {
  name = 'VaccinationMessages1801005000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `alter table mails add column channel text not null default 'email',
    add constraint mails_channel_check check (channel in ('email', 'sms'))`,

  // Rows live for seconds. Without foreign keys, since a booking would pay for each check.
  `create table vaccination_notices (
    id bigint generated always as identity,
    kind text not null,
    appointment_id uuid,
    dose_id uuid,
    constraint vaccination_notices_pkey primary key (id),
    constraint vaccination_notices_kind_check
      check (kind in ('booked', 'promoted', 'moved', 'cancelled', 'reminder', 'next_dose', 'lot_recalled')),
    constraint vaccination_notices_subject_check check (num_nonnulls(appointment_id, dose_id) = 1)
  )`,
  `create table vaccination_reminders (
    subject_id uuid not null,
    session_id uuid not null,
    created_at timestamptz not null,
    constraint vaccination_reminders_pkey primary key (subject_id, session_id)
  )`,
  `create index vaccination_reminders_created_at_idx on vaccination_reminders (created_at)`,

  `create function record_appointment_notices() returns trigger language plpgsql as $$
  begin
    if tg_op = 'INSERT' then
      insert into vaccination_notices (kind, appointment_id)
      select case when (
        select 1 from vaccination_waitlist_entries w
        where w.session_id = a.session_id and w.registration_id = a.registration_id limit 1
      ) is null then 'booked' else 'promoted' end, a.id
      from added a where a.status = 'booked' and not a.is_walk_in;
    else
      insert into vaccination_notices (kind, appointment_id)
      select case when a.status = 'cancelled' then 'cancelled' else 'moved' end, a.id
      from added a join removed r on r.id = a.id
      where r.status = 'booked' and not a.is_walk_in
        and (a.status = 'cancelled' or a.status = 'booked' and a.session_id <> r.session_id);
    end if;
    return null;
  end $$`,
  `create trigger record_added_appointments after insert on vaccination_appointments
    referencing new table as added for each statement execute function record_appointment_notices()`,
  `create trigger record_changed_appointments after update on vaccination_appointments
    referencing old table as removed new table as added for each statement execute function record_appointment_notices()`,

  `create function record_recall_notices() returns trigger language plpgsql as $$
  begin
    insert into vaccination_notices (kind, dose_id)
    select 'lot_recalled', d.id from vaccination_doses d where d.lot_id = new.id and d.status = 'completed';
    return null;
  end $$`,
  `create trigger record_recalled_lot after update of recalled_at on vaccine_lots for each row
    when (old.recalled_at is null and new.recalled_at is not null) execute function record_recall_notices()`,
];

const DOWN = [
  `drop trigger record_recalled_lot on vaccine_lots`,
  `drop function record_recall_notices()`,
  `drop trigger record_changed_appointments on vaccination_appointments`,
  `drop trigger record_added_appointments on vaccination_appointments`,
  `drop function record_appointment_notices()`,
  `drop table vaccination_reminders`,
  `drop table vaccination_notices`,
  `delete from mails where channel <> 'email'`,
  `alter table mails drop column channel`,
];

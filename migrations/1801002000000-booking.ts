import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Booking: places are counted by triggers, batches are booked by a function, requests are recognised, people wait. */
export class Booking1801002000000 implements MigrationInterface {
  name = 'Booking1801002000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  // Every appointment but a cancelled one takes a place. One update per session and statement, however many rows.
  `create function count_appointments() returns trigger language plpgsql as $$
  begin
    if tg_op = 'INSERT' then
      update vaccination_sessions s set booked = s.booked + d.booked, walk_ins = s.walk_ins + d.walk_ins
      from (
        select session_id, count(*) filter (where not is_walk_in) as booked, count(*) filter (where is_walk_in) as walk_ins
        from added where status <> 'cancelled' group by session_id
      ) d where s.id = d.session_id;
    elsif tg_op = 'DELETE' then
      update vaccination_sessions s set booked = s.booked - d.booked, walk_ins = s.walk_ins - d.walk_ins
      from (
        select session_id, count(*) filter (where not is_walk_in) as booked, count(*) filter (where is_walk_in) as walk_ins
        from removed where status <> 'cancelled' group by session_id
      ) d where s.id = d.session_id;
    else
      update vaccination_sessions s set booked = s.booked + d.booked, walk_ins = s.walk_ins + d.walk_ins
      from (
        select session_id, sum(n) filter (where not is_walk_in) as booked, sum(n) filter (where is_walk_in) as walk_ins
        from (
          select session_id, is_walk_in, 1 as n from added where status <> 'cancelled'
          union all select session_id, is_walk_in, -1 from removed where status <> 'cancelled'
        ) changes group by session_id
      ) t, lateral (select coalesce(t.booked, 0) as booked, coalesce(t.walk_ins, 0) as walk_ins) d
      where s.id = t.session_id and (d.booked <> 0 or d.walk_ins <> 0);
    end if;
    return null;
  end $$`,
  `create trigger count_added_appointments after insert on vaccination_appointments
    referencing new table as added for each statement execute function count_appointments()`,
  `create trigger count_changed_appointments after update on vaccination_appointments
    referencing old table as removed new table as added for each statement execute function count_appointments()`,
  `create trigger count_removed_appointments after delete on vaccination_appointments
    referencing old table as removed for each statement execute function count_appointments()`,

  // The requests that booked a place, for a day, so that a repeated request gets the same answer.
  `create table vaccination_booking_requests (
    key bytea not null,
    hash bytea not null,
    appointment_id uuid not null,
    created_at timestamptz not null,
    constraint vaccination_booking_requests_pkey primary key (key)
  )`,
  `create index vaccination_booking_requests_created_at_idx on vaccination_booking_requests (created_at)`,

  // People who wait for a place of a full session, in the order of the ids.
  `create table vaccination_waitlist_entries (
    id bigint generated always as identity,
    session_id uuid not null,
    registration_id uuid not null,
    created_at timestamptz not null,
    constraint vaccination_waitlist_entries_pkey primary key (id),
    constraint vaccination_waitlist_entries_person_key unique (session_id, registration_id),
    constraint vaccination_waitlist_entries_session_id_fkey foreign key (session_id) references vaccination_sessions (id),
    constraint vaccination_waitlist_entries_registration_id_fkey foreign key (registration_id)
      references vaccination_registrations (id) on delete cascade
  )`,
  `create index vaccination_waitlist_entries_session_id_idx on vaccination_waitlist_entries (session_id, id)`,
  `create index vaccination_waitlist_entries_registration_id_idx on vaccination_waitlist_entries (registration_id)`,

  // Books places for a batch of people, in the order of the arrays. _kind: 'booking', 'promotion' (from the waitlist) or
  // 'walk_in'. Locks the registrations, then the sessions, each in the order of their ids, as every change of an
  // appointment does. Each statement has a snapshot of its own: the last one sees what was committed before the locks.
  // "limit 1" keeps the planner from reading whole tables: it plans once, when they may still be empty.
  `create function book_appointments(
    _kind text, _at timestamptz, _ids uuid[], _registrations uuid[], _users uuid[], _sessions uuid[],
    _diseases text[], _doses smallint[], _keys bytea[], _hashes bytea[]
  ) returns table (n bigint, outcome text, stored_id uuid, stored_dose smallint, stored_at timestamptz) language plpgsql
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
  #variable_conflict use_column
  begin
    perform from vaccination_registrations r where r.id = any (_registrations) order by r.id for no key update;
    perform from vaccination_sessions s where s.id = any (_sessions) order by s.id for no key update;
    return query
    with requests as materialized (
      select q.*, b.appointment_id, case
        when b.hash = q.hash then 'repeated'
        when b.hash is not null then 'key_reused'
        when r.status is null then 'unknown'
        when r.status <> 'verified' then 'not_verified'
        when s.status <> 'open' and (_kind <> 'walk_in' or s.status <> 'closed') then s.status
        when (
          select 1 from vaccination_appointments a
          where a.registration_id = q.registration_id and a.disease = q.disease and a.status in ('booked', 'checked_in') limit 1
        ) is not null then 'already_booked'
        when (
          select 1 from vaccination_doses d
          where d.registration_id = q.registration_id and d.disease = q.disease and d.dose = q.dose and d.status = 'completed'
          limit 1
        ) is not null then 'given'
        when _kind = 'promotion' and (
          select 1 from vaccination_waitlist_entries w
          where w.session_id = q.session_id and w.registration_id = q.registration_id limit 1
        ) is null then 'unknown'
        when _kind = 'booking' and (
          select 1 from vaccination_waitlist_entries w where w.session_id = q.session_id limit 1
        ) is not null then 'full'
        else 'free' end as state,
        case when _kind = 'walk_in' then s.walk_in_capacity - s.walk_ins else s.capacity - s.booked end as places
      from unnest(_ids, _registrations, _users, _sessions, _diseases, _doses, _keys, _hashes) with ordinality
        as q (id, registration_id, user_id, session_id, disease, dose, key, hash, n)
      left join lateral (
        select * from vaccination_registrations r
        where r.id = q.registration_id and r.user_id is not distinct from q.user_id limit 1
      ) r on true
      left join lateral (select * from vaccination_sessions s where s.id = q.session_id limit 1) s on true
      left join lateral (select * from vaccination_booking_requests b where b.key = q.key limit 1) b on true
    ), decided as materialized (
      select r.*, case when r.state <> 'free' then r.state
        when row_number() over (partition by r.session_id, r.state order by r.n) <= r.places then 'booked'
        else 'full' end as outcome
      from requests r
    ), booked as (
      insert into vaccination_appointments
        (id, registration_id, session_id, disease, dose, status, is_walk_in, created_at, updated_at)
      select d.id, d.registration_id, d.session_id, d.disease, d.dose, 'booked', _kind = 'walk_in', _at, _at
      from decided d where d.outcome = 'booked'
    ), remembered as (
      insert into vaccination_booking_requests (key, hash, appointment_id, created_at)
      select d.key, d.hash, d.id, _at from decided d where d.outcome = 'booked' and d.key is not null
    )
    select d.n, d.outcome, a.id, a.dose, a.created_at
    from decided d
    left join lateral (
      select * from vaccination_appointments a where d.outcome = 'repeated' and a.id = d.appointment_id limit 1
    ) a on true;
  end $$`,
];

const DOWN = [
  `drop function book_appointments(text, timestamptz, uuid[], uuid[], uuid[], uuid[], text[], smallint[], bytea[], bytea[])`,
  `drop table vaccination_waitlist_entries`,
  `drop table vaccination_booking_requests`,
  `drop trigger count_added_appointments on vaccination_appointments`,
  `drop trigger count_changed_appointments on vaccination_appointments`,
  `drop trigger count_removed_appointments on vaccination_appointments`,
  `drop function count_appointments()`,
];

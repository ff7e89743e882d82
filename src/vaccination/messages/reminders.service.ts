import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';

/** On the day before a session, at this local time of its centre, people are reminded. */
const REMINDER_TIME = '09:00';
/** After a longer downtime, older doses get no reminder any more. */
const NEXT_DOSE_DAYS = 14;
const RETENTION_DAYS = 400;

/** Appointments that were booked later need no reminder: the person has just got the message about the booking. */
const REMIND_OF_APPOINTMENTS = `with due as (
  select a.id as subject_id, a.session_id from vaccination_sessions n
  join vaccination_centres c on c.id = n.centre_id
  cross join lateral (
    select ((n.starts_at at time zone c.time_zone)::date - 1 + time '${REMINDER_TIME}') at time zone c.time_zone as at
  ) reminder
  join vaccination_appointments a on a.session_id = n.id
  where n.starts_at > $1 and n.starts_at < $1::timestamptz + interval '48 hours' and reminder.at <= $1
    and n.status in ('open', 'closed') and a.status = 'booked' and a.created_at < reminder.at
), recorded as (
  insert into vaccination_reminders (subject_id, session_id, created_at) select subject_id, session_id, $1 from due
  on conflict do nothing returning subject_id
)
insert into vaccination_notices (kind, appointment_id) select 'reminder', subject_id from recorded`;

/**
 * The next dose of an active vaccine on the day that is recommended for it, if it is neither given nor booked. The condition on given_at
 * finds the doses of those days, with two days more for time zones; "offset 0" makes it a look-up for each vaccine.
 */
const REMIND_OF_NEXT_DOSES = `with due as (
  select d.id as subject_id from vaccines v
  cross join lateral generate_series(1, jsonb_array_length(v.doses) - 1) as number
  cross join lateral (
    select $1::timestamptz - make_interval(days => (v.doses -> number ->> 'recommended_interval_days')::integer) as day
  ) given
  cross join lateral (
    select * from vaccination_doses where vaccine_id = v.id and dose = number
      and given_at between given.day - interval '${NEXT_DOSE_DAYS + 2} days' and given.day + interval '2 days' offset 0
  ) d
  join vaccination_centres c on c.id = d.centre_id
  join vaccination_registrations r on r.id = d.registration_id
  cross join lateral (
    select (d.given_at at time zone c.time_zone)::date + (v.doses -> d.dose::integer ->> 'recommended_interval_days')::integer
      as day, $1::timestamptz at time zone c.time_zone as now
  ) next
  where v.is_active and d.status = 'completed' and d.dose < jsonb_array_length(v.doses) and r.status = 'verified'
    and next.now >= next.day + time '${REMINDER_TIME}' and next.day > next.now::date - ${NEXT_DOSE_DAYS}
    and (select 1 from vaccination_reminders m where m.subject_id = d.id and m.session_id = d.id limit 1) is null
    and not exists (
      select from vaccination_doses later where later.registration_id = d.registration_id and later.disease = d.disease
        and later.dose > d.dose and later.status = 'completed'
    )
    and not exists (
      select from vaccination_appointments a where a.registration_id = d.registration_id and a.disease = d.disease
        and a.status in ('booked', 'checked_in')
    )
), recorded as (
  insert into vaccination_reminders (subject_id, session_id, created_at) select subject_id, subject_id, $1 from due
  on conflict do nothing returning subject_id
)
insert into vaccination_notices (kind, dose_id) select 'next_dose', subject_id from recorded`;

/** The rest with the next call. */
const DELETE_OLD = `delete from vaccination_reminders where (subject_id, session_id) in (
  select subject_id, session_id from vaccination_reminders
  where created_at < $1::timestamptz - interval '${RETENTION_DAYS} days' order by created_at limit 1000 for update skip locked)`;

/** Records reminders that are due. Each is recorded once, also by several nodes at a time, and after a downtime. */
@Injectable()
export class RemindersService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly clock: Clock,
  ) {}

  /** Reminder and notice are written by one statement, so that there is never one without the other. */
  async recordDue(): Promise<void> {
    const now = [this.clock.date()];
    await this.pool.query(REMIND_OF_APPOINTMENTS, now);
    await this.pool.query(REMIND_OF_NEXT_DOSES, now);
    await this.pool.query(DELETE_OLD, now);
  }
}

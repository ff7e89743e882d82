import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { Problem } from '../../http/problems/problem.js';
import { dayOf } from '../days.js';
import { eligibilityOf, type Course, type Person } from '../eligibility/eligibility.js';
import { ineligible } from '../eligibility/ineligible.js';
import { fromPool, type ReadRows } from '../read-rows.js';
import { isOnSessionDay } from '../sessions/session-days.js';
import type { SessionStatus } from '../sessions/vaccination-session.entity.js';

/** What a booking depends on. */
export interface BookableSession {
  id: string;
  status: SessionStatus;
  dose: number | null;
  starts_at: Date;
  ends_at: Date;
  opens_at: Date;
  /** Places that are not booked. */
  available: number;
  /** Whether people wait for a place. */
  has_waitlist: boolean;
  time_zone: string;
  vaccine: Course;
}

/** $1 ids. One query for a batch of bookings. A closed centre has no open sessions. */
const SESSIONS = {
  name: 'vaccination-bookable-sessions',
  text: `select s.id, case when s.status = 'open' and c.status <> 'active' then 'closed' else s.status end as status, s.dose,
      s.starts_at, s.ends_at, s.opens_at, s.capacity - s.booked as available,
      (select 1 from vaccination_waitlist_entries w where w.session_id = s.id limit 1) is not null as has_waitlist, c.time_zone,
      jsonb_build_object('id', v.id, 'disease', v.disease, 'min_age_months', v.min_age_months,
        'max_age_months', v.max_age_months, 'doses', v.doses, 'is_active', v.is_active) as vaccine
    from vaccination_sessions s
    join vaccination_centres c on c.id = s.centre_id
    join vaccines v on v.id = s.vaccine_id
    where s.id = any ($1::uuid[])`,
};

/**
 * $1 the id of a full session, $2 now, $3 the dose of a person, $4 the first day on which they can get it. The nearest sessions
 * of its vaccine in which they can book a place: where people wait, free places are theirs.
 */
const ALTERNATIVES = {
  name: 'vaccination-alternative-sessions',
  text: `select s.id, s.starts_at, s.capacity - s.booked as available, c.name as centre,
      to_char(s.starts_at at time zone c.time_zone, 'YYYY-MM-DD') as day
    from vaccination_sessions f
    join vaccination_centres fc on fc.id = f.centre_id
    join vaccination_sessions s on s.vaccine_id = f.vaccine_id and s.id <> f.id
    join vaccination_centres c on c.id = s.centre_id and c.status = 'active'
    where f.id = $1 and s.status = 'open' and s.opens_at <= $2 and s.starts_at > $2 and s.booked < s.capacity
      and (s.dose is null or s.dose = $3) and (s.starts_at at time zone c.time_zone)::date >= $4::date
      and not exists (select from vaccination_waitlist_entries w where w.session_id = s.id)
    order by (c.latitude - fc.latitude) ^ 2 + ((c.longitude - fc.longitude) * cos(radians(fc.latitude))) ^ 2,
      abs(extract(epoch from s.starts_at - f.starts_at)), s.id
    limit 20`,
};

interface Alternative {
  id: string;
  starts_at: Date;
  available: number;
  centre: string;
  day: string;
}

const MAX_ALTERNATIVES = 5;

/** How long the alternatives of a full session are reused: at an opening, thousands ask for the same ones. */
const ALTERNATIVES_MS = 1_000;

/** Whether a person who does not wait cannot get a place: while people wait, free places are theirs. */
export const isFull = ({ available, has_waitlist }: BookableSession): boolean => available <= 0 || has_waitlist;

/** Reads sessions for bookings and says who can book them. */
@Injectable()
export class BookableSessionsService {
  private readonly alternatives = new LRUCache<string, Promise<Alternative[]>>({ max: 1_000, ttl: ALTERNATIVES_MS });

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly clock: Clock,
  ) {}

  /** The sessions by their ids. Drafts and unknown ones are missing. */
  async read(ids: string[], read: ReadRows = fromPool(this.pool)): Promise<Map<string, BookableSession>> {
    const rows = await read<BookableSession>(SESSIONS, [[...new Set(ids)]]);
    return new Map(rows.filter(({ status }) => status !== 'draft').map((row) => [row.id, row]));
  }

  /**
   * The dose that a person can book in a session now. Throws the reason why there is none, with `next_dose` and
   * `earliest_day`; whether a place is free is not checked.
   */
  doseFor(person: Person, session: BookableSession | undefined): number {
    assertPlanned(session);
    const now = this.clock.date();
    if (session.status !== 'open' || session.ends_at <= now) throw new Problem('session_closed');
    const { opens_at, starts_at, time_zone } = session;
    if (opens_at > now) throw new Problem('session_not_open_yet', { members: { opens_at } });
    return this.eligibleDose(person, session, dayOf(starts_at, time_zone));
  }

  /**
   * The dose that a person who is at the centre on a day of the session can get, whether or not it can still be booked. Throws
   * the reason why there is none, as `doseFor` does, and `not_session_day`; whether a place is free is not checked.
   */
  walkInDoseFor(person: Person, session: BookableSession | undefined): number {
    assertPlanned(session);
    const now = this.clock.date();
    const { time_zone } = session;
    if (!isOnSessionDay({ ...session, centre: { time_zone } }, now)) throw new Problem('not_session_day');
    return this.eligibleDose(person, session, dayOf(now, time_zone));
  }

  private eligibleDose(person: Person, { time_zone: timeZone, vaccine, dose }: BookableSession, day: string): number {
    const today = dayOf(this.clock.date(), timeZone);
    const eligibility = eligibilityOf({ person, vaccine, timeZone, day, today, dose });
    const [reason, ...others] = eligibility.reasons;
    if (reason !== undefined) throw ineligible([reason, ...others], eligibility);
    return eligibility.next_dose!;
  }

  /** `session_full` with up to five sessions in which the person can book a place, the nearest first. */
  async fullProblem(
    { id, vaccine, time_zone: timeZone, starts_at }: BookableSession,
    person: Person,
  ): Promise<Problem> {
    const [day, today] = [dayOf(starts_at, timeZone), dayOf(this.clock.date(), timeZone)];
    const { next_dose, earliest_day, latest_day } = eligibilityOf({ person, vaccine, timeZone, day, today });
    const found = await this.listAlternatives(id, next_dose ?? 1, earliest_day ?? today);
    const alternatives = found
      .filter((each) => latest_day === null || each.day <= latest_day)
      .slice(0, MAX_ALTERNATIVES)
      .map(({ day: _day, ...alternative }) => alternative);
    return new Problem('session_full', { members: { alternatives } });
  }

  /** Most people who ask for one session share the dose and the first day, which is today. */
  private listAlternatives(id: string, dose: number, earliestDay: string): Promise<Alternative[]> {
    const key = `${id} ${dose} ${earliestDay}`;
    const known = this.alternatives.get(key);
    if (known) return known;
    const values = [id, this.clock.date(), dose, earliestDay];
    const alternatives = fromPool(this.pool)<Alternative>(ALTERNATIVES, values);
    this.alternatives.set(key, alternatives);
    alternatives.catch(() => this.alternatives.delete(key));
    return alternatives;
  }
}

function assertPlanned(session: BookableSession | undefined): asserts session is BookableSession {
  if (!session) throw new Problem('vaccination_session_not_found');
  if (session.status === 'cancelled') throw new Problem('session_cancelled');
}

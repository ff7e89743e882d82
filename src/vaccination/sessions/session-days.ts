import { DateTime } from 'luxon';
import type { Centre } from '../centres/centre.entity.js';
import type { VaccinationSession } from './vaccination-session.entity.js';

/** The times of a session, and the time zone of its centre. */
type Session = Pick<VaccinationSession, 'starts_at' | 'ends_at'> & { centre: Pick<Centre, 'time_zone'> };

/** From midnight to midnight: the days of a session, in the time zone of its centre. The end is not part of them. */
function daysOf({ starts_at, ends_at, centre }: Session): { from: Date; to: Date } {
  const zone = centre.time_zone;
  const lastMoment = DateTime.fromJSDate(ends_at, { zone }).minus({ milliseconds: 1 });
  return {
    from: DateTime.fromJSDate(starts_at, { zone }).startOf('day').toJSDate(),
    to: lastMoment.plus({ days: 1 }).startOf('day').toJSDate(),
  };
}

/** Whether a point in time is on a day of the session. */
export function isOnSessionDay(session: Session, time: Date): boolean {
  const { from, to } = daysOf(session);
  return from <= time && time < to;
}

import { DateTime } from 'luxon';
import { validationFailed } from '../../http/problems/problem.js';
import { addDays, instantOf } from '../days.js';
import { type Weekday, WEEKDAYS } from './vaccination-sessions.dto.js';

const MAX_DAYS = 366;

/** A weekly pattern. Times are local, as HH:MM. */
export interface OccurrencesPattern {
  from: string;
  to: string;
  weekdays: Weekday[];
  start_time: string;
  end_time: string;
  opens_days_before: number;
}

interface Occurrence {
  starts_at: Date;
  ends_at: Date;
  opens_at: Date;
}

/** The times of all sessions of a pattern, in order. Throws `validation_failed` for a pattern without any. */
export function occurrencesOf(pattern: OccurrencesPattern, timeZone: string): Occurrence[] {
  const { from, to, weekdays, start_time, end_time, opens_days_before } = pattern;
  if (to < from || to > addDays(from, MAX_DAYS)) {
    throw validationFailed([{ path: 'to', message: `to must be within ${MAX_DAYS} days from "from"` }]);
  }
  if (end_time <= start_time)
    throw validationFailed([{ path: 'end_time', message: 'end_time must be after start_time' }]);
  const days = daysBetween(from, to).filter((day) => weekdays.includes(weekdayOf(day)));
  if (days.length === 0) throw validationFailed([{ path: 'weekdays', message: 'no such weekday is in the period' }]);
  return days.map((day) => ({
    starts_at: instantOf(timeZone, day, start_time),
    ends_at: instantOf(timeZone, day, end_time),
    opens_at: instantOf(timeZone, addDays(day, -opens_days_before), start_time),
  }));
}

function daysBetween(from: string, to: string): string[] {
  const days = [];
  for (let day = from; day <= to; day = addDays(day, 1)) days.push(day);
  return days;
}

const weekdayOf = (day: string): Weekday => WEEKDAYS[DateTime.fromISO(day, { zone: 'utc' }).weekday - 1]!;

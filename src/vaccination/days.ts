import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsDate, Matches, ValidateBy } from 'class-validator';
import { DateTime } from 'luxon';
import { readTimestamp } from '../common/timestamp.js';

const MIN_YEAR = 1900;
const MAX_YEAR = 2200;

/** Whether a text is a day of the calendar, as YYYY-MM-DD. */
function isDay(value: unknown): value is string {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return false;
  const { isValid, year } = DateTime.fromISO(value, { zone: 'utc' });
  return isValid && year >= MIN_YEAR && year <= MAX_YEAR;
}

/** A day without a time, as YYYY-MM-DD. */
export const IsDay = (): PropertyDecorator =>
  ValidateBy({
    name: 'isDay',
    validator: { validate: isDay, defaultMessage: () => '$property must be a day such as 2027-03-31' },
  });

/** The day so many days after another one. */
export const addDays = (day: string, days: number): string => toDay(new Date(Date.parse(day) + days * DAY_MS));

const DAY_MS = 86_400_000;

const toDay = (date: Date): string => date.toISOString().slice(0, 10);

/** A point in time with its offset from UTC, in ISO 8601. It becomes a Date; seconds and their fractions are dropped. */
export const IsInstant = (): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => toInstant(value) ?? value),
    IsDate({ message: '$property must be a time with its offset, such as 2027-01-18T03:00:00Z' }),
  );

function toInstant(value: unknown): Date | undefined {
  const time = readTimestamp(value, MIN_YEAR);
  time?.setUTCSeconds(0, 0);
  return time;
}

/** A time of day without an offset, as HH:MM. */
export const IsLocalTime = (): PropertyDecorator =>
  Matches(/^([01]\d|2[0-3]):[0-5]\d$/, { message: '$property must be a time of day such as 09:00' });

/** The point in time of a local time. A time that a change of the clocks skips counts as one hour later. */
export const instantOf = (timeZone: string, day: string, time: string): Date =>
  DateTime.fromISO(`${day}T${time}`, { zone: timeZone }).toJSDate();

/** The day of a point in time in a time zone. */
export const dayOf = (time: Date, timeZone: string): string =>
  DateTime.fromJSDate(time, { zone: timeZone }).toISODate()!;

/**
 * The day so many months after another one. A day that does not exist, such as 29 February in most years, counts as the
 * first day of the next month (CDC CDSi, logic specification, CALCDT-5).
 */
export function addMonths(day: string, months: number): string {
  const [year, month, dayOfMonth] = day.split('-').map(Number) as [number, number, number];
  const date = new Date(Date.UTC(year, month - 1 + months, dayOfMonth));
  if (date.getUTCDate() !== dayOfMonth) date.setUTCDate(1); // it ran over into the next month
  return toDay(date);
}

import { DateTime } from 'luxon';

/** With an offset that exists. */
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/;
const MAX_YEAR = 2200;

/** Reads a point in time with its offset from UTC, in ISO 8601. Undefined for other values and years out of bounds. */
export function readTimestamp(value: unknown, minYear: number): Date | undefined {
  if (typeof value !== 'string' || !TIMESTAMP.test(value)) return undefined;
  const time = DateTime.fromISO(value, { zone: 'utc' });
  return time.isValid && time.year >= minYear && time.year <= MAX_YEAR ? time.toJSDate() : undefined;
}

import { validate as isUuid } from 'uuid';
import { readCursor } from '../http/pagination.dto.js';

/** The place of a row in a list that is sorted by time. Times have whole milliseconds, as our clock writes them. */
export type TimePosition = [at: Date, id: string];

/** The key of a cursor after such a row, for `toPage`. */
export const timeKey = (at: Date, id: string): string => JSON.stringify([at.getTime(), id]);

/** Reads a cursor of `timeKey`. Throws `invalid_cursor`. */
export function readTimeCursor(cursor: string | undefined): TimePosition | undefined {
  const key = readCursor(cursor, (text) => parseTimeKey(text) !== undefined);
  return key === undefined ? undefined : parseTimeKey(key);
}

function parseTimeKey(text: string): TimePosition | undefined {
  const [ms, id, ...others] = parseArray(text);
  const isTime = Number.isInteger(ms) && Math.abs(ms as number) < 2 ** 43;
  return isTime && isUuid(id) && others.length === 0 ? [new Date(ms as number), id as string] : undefined;
}

/** The elements of an array in JSON; none for any other text. */
export function parseArray(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

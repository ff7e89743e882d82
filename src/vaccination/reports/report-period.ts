import { DateTime } from 'luxon';
import { validationFailed } from '../../http/problems/problem.js';
import { addDays } from '../days.js';
import { DEFAULT_TIME_ZONE } from '../time-zones.js';

const DEFAULT_DAYS = 28;
const MAX_DAYS = 366;

/** Days of the centres, both included. */
export interface Period {
  from: string;
  to: string;
}

/**
 * The period of a report. Without `to` it ends yesterday, without `from` it has 28 days. Throws `validation_failed` for a period
 * that ends before it starts or has more than 366 days.
 */
export function periodOf(query: Partial<Period>, now: Date): Period {
  const yesterday = DateTime.fromJSDate(now, { zone: DEFAULT_TIME_ZONE }).minus({ days: 1 }).toISODate()!;
  const to = query.to ?? yesterday;
  const from = query.from ?? addDays(to, 1 - DEFAULT_DAYS);
  if (from <= to && to < addDays(from, MAX_DAYS)) return { from, to };
  throw validationFailed([{ path: 'to', message: `to must be within ${MAX_DAYS} days from "from"` }]);
}

import { ValidateBy } from 'class-validator';
import { IANAZone } from 'luxon';
import type { EntityManager } from 'typeorm';
import { validationFailed } from '../http/problems/problem.js';

export const DEFAULT_TIME_ZONE = 'Asia/Dhaka';

/** The names alone, without the abbreviations that PostgreSQL also takes: BST is another time there than in Node.js. */
const KNOWN_TO_DATABASE = 'select lower(name) as name from pg_timezone_names where lower(name) = any ($1)';

/** Those of the names, in lower case, that the database knows. */
export async function listKnownTimeZones(manager: EntityManager, names: string[]): Promise<Set<string>> {
  const lower = [...new Set(names.map((name) => name.toLowerCase()))];
  if (lower.length === 0) return new Set();
  const rows = await manager.query<{ name: string }[]>(KNOWN_TO_DATABASE, [lower]);
  return new Set(rows.map(({ name }) => name));
}

/**
 * Checks that the database knows a time zone: Node.js has names that PostgreSQL lacks, and one such row would make every
 * search fail that computes days. Throws `validation_failed`.
 */
export async function assertKnownTimeZone(manager: EntityManager, name: string | undefined): Promise<void> {
  if (name === undefined) return;
  if ((await listKnownTimeZones(manager, [name])).size > 0) return;
  throw validationFailed([{ path: 'time_zone', message: 'time_zone must be an IANA time zone such as Asia/Dhaka' }]);
}

/** An IANA time zone that Node.js knows, such as Asia/Dhaka. Offsets such as +06:00 are not names. */
export const IsTimeZone = (): PropertyDecorator =>
  ValidateBy({
    name: 'isTimeZone',
    validator: {
      validate: (value) => typeof value === 'string' && /^[A-Za-z]/.test(value) && IANAZone.isValidZone(value),
      defaultMessage: () => '$property must be an IANA time zone such as Asia/Dhaka',
    },
  });

import { Problem } from '../../http/problems/problem.js';
import type { FieldError } from '../../http/problems/problem.js';
import { assertValid } from '../../http/validation.js';
import { RowError } from './row-error.js';

/** Validates a row by a DTO. Throws a RowError about the first wrong field. */
export function readItem<T extends object>(kind: new () => T, fields: object): T {
  return asRowError(() => assertValid(kind, fields));
}

/** Runs a check that throws `validation_failed`, and throws a RowError about its first field instead. */
export function asRowError<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'validation_failed') throw error;
    const [{ path, message }] = error.members['errors'] as [FieldError];
    throw new RowError('invalid_value', message, path);
  }
}

/** The number in a cell. Other texts stay, so that their validation fails. */
export const readNumber = (cell: string | undefined): number | string | undefined =>
  cell !== undefined && /^-?\d{1,16}(\.\d{1,20})?(e[+-]?\d{1,2})?$/i.test(cell) ? Number(cell) : cell;

/** The value of a code, whatever its case. Throws a RowError. */
export function findByCode<T>(values: Map<string, T>, column: 'centre' | 'vaccine', cells: Record<string, string>): T {
  const value = values.get(cells[column]!.toLowerCase());
  if (value !== undefined) return value;
  throw new RowError(`${column}_not_found`, `There is no ${column} with this code.`, column);
}

/** Whether a field of the row differs from what is stored. Fields that the row leaves out stay as they are. */
export const hasChanges = <T extends object>(fields: Partial<T>, stored: T): boolean =>
  (Object.keys(fields) as (keyof T)[]).some((name) => {
    const [value, before] = [fields[name], stored[name]];
    return value !== undefined && (value instanceof Date ? +value !== +(before as Date) : value !== before);
  });

/** The distinct texts of a column. */
export const distinct = (rows: { cells: Record<string, string> }[], column: string): string[] => [
  ...new Set(rows.flatMap(({ cells }) => (cells[column] === undefined ? [] : [cells[column].toLowerCase()]))),
];

import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayMinSize, ArrayUnique, IsArray, IsIn, IsOptional } from 'class-validator';
import type { EntityManager } from 'typeorm';
import { validationFailed } from '../../http/problems/problem.js';
import { type Period, periodOf } from './report-period.js';

/** Counts below this are withheld. */
export const SMALLEST_COUNT = 5;
const MAX_ROWS = 10_000;

/** The lower ends of the age bands, in years; the first band starts at 0. */
const AGE_BAND_STARTS = [5, 12, 18, 30, 40, 50, 60, 70, 80];
export const AGE_BAND_STARTS_SQL = `array[${AGE_BAND_STARTS.join(', ')}]`;

/** The name of a band by its number, as SQL counts them. Null: the date of birth is not known. */
export function ageBandName(band: number | null): string {
  if (band === null) return 'unknown';
  const start = AGE_BAND_STARTS[band - 1] ?? 0;
  const next = AGE_BAND_STARTS[band];
  return next === undefined ? `${start}+` : `${start}-${next - 1}`;
}

/** What the rows of a report can be grouped by, as SQL on the cells `s` that may be shown, vaccines `v` and centres `c`. */
const GROUPS = {
  vaccine: 'v.code',
  dose: 's.dose',
  centre: 'c.code',
  district: 'c.district',
  day: `to_char(s.day, 'YYYY-MM-DD')`,
  week: `to_char(s.week, 'IYYY-"W"IW')`,
  sex: 's.sex',
  age_band: 's.age_band',
  event: 's.code',
  serious: 's.is_serious',
  month: `to_char(s.month, 'YYYY-MM')`,
} as const;

export type ReportGroup = keyof typeof GROUPS;

/** An optional list of groups in a query string, separated by commas. */
export const IsGroupList = (...groups: ReportGroup[]): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({
      type: 'array',
      items: { type: 'string', enum: groups },
      style: 'form',
      explode: false,
    } as never),
    IsOptional(),
    Transform(({ value }) => (typeof value === 'string' ? value.split(',') : value)),
    IsArray(),
    ArrayMinSize(1),
    ArrayUnique(),
    IsIn(groups, { each: true }),
  );

/** Filters that every report has. */
export interface ReportFilters extends Partial<Period> {
  vaccine?: string;
  centre?: string;
  district?: string;
  dose?: number;
}

/**
 * The values of every report's SQL: $1 and $2 the days, $3 now, $4 vaccine, $5 centre, $6 district, $7 dose, each null if it
 * does not filter.
 */
export function valuesOf(filters: ReportFilters, now: Date): { period: Period; values: unknown[] } {
  const period = periodOf(filters, now);
  const { vaccine = null, centre = null, district = null, dose = null } = filters;
  return { period, values: [period.from, period.to, now, vaccine, centre, district, dose] };
}

/** Conditions on the vaccine, the centre `c` and the dose, for the values $4 to $7. All are constant within a cell. */
export const filterSql = (vaccine: string, dose: string): string => `($4::uuid is null or ${vaccine} = $4)
  and ($5::uuid is null or c.id = $5) and ($6::citext is null or c.district = $6)
  and ($7::smallint is null or ${dose} = $7)`;

export type GroupRow = Partial<Record<ReportGroup, string | number | boolean | null>>;

interface GroupedQuery {
  /** Common table expressions; the last one is called `shown`. */
  cells: string;
  by: ReportGroup[];
  /** SQL of sums over `s`. */
  measures: string;
  values: unknown[];
  /** SQL that joins `v` and `c`, where cells do not have both. */
  joins?: string;
}

const JOINS = 'join vaccines v on v.id = s.vaccine_id join vaccination_centres c on c.id = s.centre_id';

/** Sums the cells that are shown, grouped and ordered by `by`. Throws `validation_failed` if there are too many groups. */
export async function sumShown<Row extends GroupRow>(
  manager: EntityManager,
  { cells, by, measures, values, joins = JOINS }: GroupedQuery,
): Promise<Row[]> {
  const groups = by.map((group) => `${GROUPS[group]} as ${group}`);
  const numbers = by.map((_, index) => index + 1).join(', ');
  const rows: Row[] = await manager.query(
    `${cells} select ${groups.join(', ')}, ${measures}
     from shown s ${joins}
     group by ${numbers} order by ${numbers} limit ${MAX_ROWS + 1}`,
    values,
  );
  if (rows.length <= MAX_ROWS) return rows;
  throw validationFailed([{ path: 'by', message: `the report has more than ${MAX_ROWS} rows: shorten the period` }]);
}

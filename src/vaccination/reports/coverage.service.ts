import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { deriveKey } from '../../common/keys/encryption.js';
import { Config } from '../../config/config.js';
import { validationFailed } from '../../http/problems/problem.js';
import {
  AGE_BAND_STARTS_SQL,
  ageBandName,
  filterSql,
  type GroupRow,
  SMALLEST_COUNT,
  sumShown,
  valuesOf,
} from './report-groups.js';
import type { CoverageItemDto, CoverageQueryDto, CoverageReportDto } from './reports.dto.js';

/**
 * The doses that count, on days that are over at their centre. The bounds on given_at alone are wider by two days, so that an
 * index can be used whatever the time zone.
 */
const GIVEN = `given as materialized (
  select d.vaccine_id, d.dose, d.centre_id, local.at::date as day, date_trunc('week', local.at)::date as week,
    coalesce(r.sex, 'unknown') as sex,
    width_bucket(extract(year from age(local.at::date, r.date_of_birth))::integer, ${AGE_BAND_STARTS_SQL}) as age_band,
    local.now::date as today
  from vaccination_doses d
  join vaccination_centres c on c.id = d.centre_id
  join vaccination_registrations r on r.id = d.registration_id
  cross join lateral (select d.given_at at time zone c.time_zone as at, $3::timestamptz at time zone c.time_zone as now) local
  where d.status = 'completed' and d.given_at >= $1::date - 2 and d.given_at < $2::date + 3
    and local.at >= $1::date and local.at < least($2::date + 1, local.now::date)
    and ${filterSql('d.vaccine_id', 'd.dose')}
)`;

/** One cell per vaccine, dose, centre and day. */
const CELLS_OF_DAYS = `with ${GIVEN}, shown as (
  select vaccine_id, dose, centre_id, day, week, count(*) as doses from given
  group by vaccine_id, dose, centre_id, day, week having count(*) >= ${SMALLEST_COUNT}
)`;

/**
 * One cell per vaccine, dose, centre, whole week, sex and age band. If a cell, or a day of that week, is withheld, one more cell
 * of the week is: the first by a keyed hash ($8). Without it the small count would be the sum of the days less the sum of these
 * cells, or the reverse.
 */
const CELLS_OF_PEOPLE = `with ${GIVEN},
whole_weeks as (select * from given where week >= $1::date and week + 6 <= $2::date and week + 6 < today),
small_days as (
  select distinct vaccine_id, dose, centre_id, week from (
    select vaccine_id, dose, centre_id, week from whole_weeks
    group by vaccine_id, dose, centre_id, week, day having count(*) < ${SMALLEST_COUNT}
  ) days
),
cells as (
  select vaccine_id, dose, centre_id, week, sex, age_band, count(*) as doses from whole_weeks
  group by vaccine_id, dose, centre_id, week, sex, age_band
),
ranked as (
  select cells.*,
    small_days.week is not null or min(doses) over of_week < ${SMALLEST_COUNT} as is_week_partial,
    row_number() over (of_week_by_size order by
      sha256(convert_to(concat_ws(' ', $8::text, vaccine_id, dose, centre_id, week, sex, age_band), 'UTF8'))) as place
  from cells left join small_days using (vaccine_id, dose, centre_id, week)
  window of_week as (partition by vaccine_id, dose, centre_id, week),
    of_week_by_size as (partition by vaccine_id, dose, centre_id, week, doses >= ${SMALLEST_COUNT})
),
shown as (
  select * from ranked where doses >= ${SMALLEST_COUNT} and not (is_week_partial and place = 1)
)`;

type Row = GroupRow & { age_band?: number | null; doses: number };

/**
 * Counts given doses. Every number is a sum of cells that do not depend on the query, and small cells are in no sum, so that no
 * combination of queries tells a withheld count. docs/decisions/report-suppression.md explains it.
 */
@Injectable()
export class CoverageService {
  private readonly cellKey: string;

  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly clock: Clock,
    config: Config,
  ) {
    this.cellKey = deriveKey(config.SECRET_KEY, 'vaccination reports').toString('hex');
  }

  /** Throws `validation_failed` for groups that cannot be combined and for a report that is too long. */
  async get(query: CoverageQueryDto): Promise<CoverageReportDto> {
    const { by } = query;
    const isByPeople = by.includes('sex') || by.includes('age_band');
    if (isByPeople && by.includes('day')) {
      throw validationFailed([{ path: 'by', message: 'sex and age_band are counted by week, not by day' }]);
    }
    const { period, values } = valuesOf(query, this.clock.date());
    const rows = await sumShown<Row>(this.manager, {
      cells: isByPeople ? CELLS_OF_PEOPLE : CELLS_OF_DAYS,
      by,
      measures: 'sum(s.doses)::integer as doses',
      values: isByPeople ? [...values, this.cellKey] : values,
    });
    const items = rows.map(toItem);
    return { ...period, by, items, total: items.reduce((sum, { doses }) => sum + doses, 0) };
  }
}

const toItem = ({ age_band, ...row }: Row): CoverageItemDto =>
  ({ ...row, ...(age_band === undefined ? {} : { age_band: ageBandName(age_band) }) }) as CoverageItemDto;

import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { filterSql, SMALLEST_COUNT, sumShown, valuesOf } from './report-groups.js';
import type { NoShowsItemDto, NoShowsQueryDto, NoShowsReportDto } from './reports.dto.js';

/**
 * One cell per vaccine, dose, centre and whole week that is over. A cell has two counts, those who came and those who did not:
 * both are withheld if one is small, because the number of bookings is public. Appointments that the staff has not marked count as missed.
 */
const CELLS = `with shown as (
  select n.vaccine_id, a.dose, n.centre_id, date_trunc('week', local.at)::date as week, count(*) as expected,
    count(*) filter (where a.status in ('no_show', 'booked')) as no_shows
  from vaccination_sessions n
  join vaccination_appointments a on a.session_id = n.id
  join vaccination_centres c on c.id = n.centre_id
  cross join lateral (
    select n.starts_at at time zone c.time_zone as at, $3::timestamptz at time zone c.time_zone as now
  ) local
  where n.status <> 'cancelled' and n.starts_at >= $1::date - 2 and n.starts_at < $2::date + 3
    and date_trunc('week', local.at) >= $1::date
    and date_trunc('week', local.at)::date + 6 <= least($2::date, local.now::date - 1)
    and a.status <> 'cancelled' and not a.is_walk_in and ${filterSql('n.vaccine_id', 'a.dose')}
  group by n.vaccine_id, a.dose, n.centre_id, date_trunc('week', local.at)::date
  having least(count(*) filter (where a.status in ('no_show', 'booked')),
    count(*) filter (where a.status not in ('no_show', 'booked'))) >= ${SMALLEST_COUNT}
)`;

const MEASURES = `sum(s.expected)::integer as expected, sum(s.no_shows)::integer as no_shows,
  round(sum(s.no_shows) / sum(s.expected), 3)::float8 as rate`;

/** Counts the people who booked and did not come. */
@Injectable()
export class NoShowsService {
  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly clock: Clock,
  ) {}

  /** Throws `validation_failed` for a report that is too long. */
  async get(query: NoShowsQueryDto): Promise<NoShowsReportDto> {
    const { period, values } = valuesOf(query, this.clock.date());
    const { by } = query;
    const items = await sumShown<NoShowsItemDto>(this.manager, { cells: CELLS, by, measures: MEASURES, values });
    return { ...period, by, items };
  }
}

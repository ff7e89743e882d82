import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { filterSql, SMALLEST_COUNT, sumShown, valuesOf } from './report-groups.js';
import type { UtilisationItemDto, UtilisationQueryDto, UtilisationReportDto } from './reports.dto.js';

/** One cell per vaccine, dose of the sessions, centre and day. Cells with 1 to 4 bookings are withheld. */
const CELLS = `with shown as (
  select n.vaccine_id, n.dose, n.centre_id, local.at::date as day, date_trunc('week', local.at)::date as week,
    count(*) as sessions, sum(n.capacity) as capacity, sum(n.booked) as booked
  from vaccination_sessions n
  join vaccination_centres c on c.id = n.centre_id
  cross join lateral (select n.starts_at at time zone c.time_zone as at) local
  where n.status in ('open', 'closed') and n.starts_at >= $1::date - 2 and n.starts_at < $2::date + 3
    and local.at >= $1::date and local.at < $2::date + 1 and $3::timestamptz is not null
    and ${filterSql('n.vaccine_id', 'n.dose')}
  group by n.vaccine_id, n.dose, n.centre_id, local.at::date, date_trunc('week', local.at)::date
  having sum(n.booked) = 0 or sum(n.booked) >= ${SMALLEST_COUNT}
)`;

/** The capacity of many sessions is more than an integer of the database holds. */
const MEASURES = `sum(s.sessions)::integer as sessions, sum(s.capacity)::float8 as capacity,
  sum(s.booked)::float8 as booked, coalesce(round(sum(s.booked) / nullif(sum(s.capacity), 0), 3), 0)::float8 as use`;

/** Compares the booked places with the capacity of the sessions. */
@Injectable()
export class UtilisationService {
  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly clock: Clock,
  ) {}

  /** Throws `validation_failed` for a report that is too long. */
  async get(query: UtilisationQueryDto): Promise<UtilisationReportDto> {
    const { period, values } = valuesOf(query, this.clock.date());
    const { by } = query;
    const items = await sumShown<UtilisationItemDto>(this.manager, { cells: CELLS, by, measures: MEASURES, values });
    return { ...period, by, items };
  }
}

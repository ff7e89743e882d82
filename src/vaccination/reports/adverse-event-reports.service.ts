import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { SMALLEST_COUNT, sumShown } from './report-groups.js';
import { periodOf } from './report-period.js';
import type { AdverseEventsItemDto, AdverseEventsReportDto, AdverseEventsReportQueryDto } from './reports.dto.js';

/**
 * One cell per vaccine, event, seriousness and whole month that is over, over all centres: events are rare, and a cell per
 * centre or week would nearly always be withheld. Months are those of the centres. $1 and $2 the days, $3 now, $4 vaccine.
 */
const CELLS = `with shown as (
  select d.vaccine_id, e.code, e.is_serious, local.month, count(*) as events
  from vaccination_adverse_events e
  join vaccination_doses d on d.id = e.dose_id
  join vaccination_centres c on c.id = e.centre_id
  cross join lateral (
    select date_trunc('month', e.onset_at at time zone c.time_zone)::date as month,
      ($3::timestamptz at time zone c.time_zone)::date as today
  ) local
  where e.status = 'recorded' and e.onset_at >= $1::date - 2 and e.onset_at < $2::date + 3
    and local.month >= $1::date and (local.month + interval '1 month')::date <= least($2::date + 1, local.today)
    and ($4::uuid is null or d.vaccine_id = $4)
  group by d.vaccine_id, e.code, e.is_serious, local.month having count(*) >= ${SMALLEST_COUNT}
)`;

/** Counts adverse events after doses. */
@Injectable()
export class AdverseEventReportsService {
  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly clock: Clock,
  ) {}

  /** Throws `validation_failed` for a wrong period. */
  async get({ by, vaccine, ...days }: AdverseEventsReportQueryDto): Promise<AdverseEventsReportDto> {
    const now = this.clock.date();
    const period = periodOf(days, now);
    const items = await sumShown<AdverseEventsItemDto>(this.manager, {
      cells: CELLS,
      by,
      measures: 'sum(s.events)::integer as events',
      values: [period.from, period.to, now, vaccine ?? null],
      joins: 'join vaccines v on v.id = s.vaccine_id',
    });
    return { ...period, by, items, total: items.reduce((sum, { events }) => sum + events, 0) };
  }
}

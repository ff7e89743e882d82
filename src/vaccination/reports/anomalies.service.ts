import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { validationFailed } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { filterSql, valuesOf } from './report-groups.js';
import type { AnomaliesQueryDto, AnomaliesReportDto, AnomalyDto } from './reports.dto.js';

/** Two doses of one lot with so many days between them: an opened lot is rarely in use that long. */
const SAME_LOT_DAYS = 60;
const MAX_ROWS = 5_000;

const DOSES = `with doses as materialized (
  select d.*, c.code as centre, v.code as vaccine, l.number as lot, to_char(local.at, 'YYYY-MM-DD') as day
  from vaccination_doses d
  join vaccination_centres c on c.id = d.centre_id
  join vaccines v on v.id = d.vaccine_id
  join vaccine_lots l on l.id = d.lot_id
  cross join lateral (select d.given_at at time zone c.time_zone as at) local
  where d.status = 'completed' and d.given_at >= $1::date - 2 and d.given_at < $2::date + 3 and d.given_at <= $3
    and local.at >= $1::date and local.at < $2::date + 1 and ${filterSql('d.vaccine_id', 'd.dose')}
)`;

/** Lots are compared by vaccine and number: two centres may have stock of one lot. */
const SAME_LOT = `select 'same_lot' as kind, d.given_at as at, d.day, d.centre, d.vaccine, d.lot, d.vaccinator_id,
    array[earlier.id, d.id] as dose_ids, extract(day from d.given_at - earlier.given_at)::integer as value
  from doses d
  join vaccination_doses earlier on earlier.registration_id = d.registration_id and earlier.disease = d.disease
    and earlier.status = 'completed' and earlier.vaccine_id = d.vaccine_id
    and earlier.given_at <= d.given_at - interval '${SAME_LOT_DAYS} days'
  join vaccine_lots l on l.id = earlier.lot_id and l.number = d.lot`;

const OUTSIDE_HOURS = `select 'outside_hours', d.given_at, d.day, d.centre, d.vaccine, d.lot, d.vaccinator_id, array[d.id],
    ceil(extract(epoch from greatest(n.starts_at - d.given_at, d.given_at - n.ends_at)) / 60)::integer
  from doses d
  join vaccination_appointments a on a.id = d.appointment_id
  join vaccination_sessions n on n.id = a.session_id
  where d.given_at < n.starts_at or d.given_at > n.ends_at`;

/** The hour with the most doses of each vaccinator, centre and day. */
const TOO_FAST = `select 'too_fast', at, day, centre, null, null, vaccinator_id, array[]::uuid[], value
  from (
    select *, row_number() over (partition by vaccinator_id, centre, day order by value desc, at) as place
    from (
      select given_at as at, day, centre, vaccinator_id, count(*) over (partition by vaccinator_id
        order by given_at range between interval '1 hour' preceding and current row)::integer as value
      from doses where vaccinator_id is not null
    ) hours
    where value > $8
  ) ranked
  where place = 1`;

const ANOMALIES = `${DOSES} select * from (${SAME_LOT} union all ${OUTSIDE_HOURS} union all ${TOO_FAST}) found
  order by at, kind, dose_ids limit ${MAX_ROWS + 1}`;

/** Finds records of doses that are probably wrong. They name no person; the staff of the centre can open the records. */
@Injectable()
export class AnomaliesService {
  private readonly maxPerHour: number;

  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly clock: Clock,
    private readonly audit: AuditService,
    config: Config,
  ) {
    this.maxPerHour = config.VACCINATOR_DOSES_PER_HOUR;
  }

  /** Lists single records, which is audited. Throws `validation_failed` for a report that is too long. */
  async get(caller: Caller, query: AnomaliesQueryDto): Promise<AnomaliesReportDto> {
    const { period, values } = valuesOf(query, this.clock.date());
    const items: AnomalyDto[] = await this.manager.query(ANOMALIES, [...values, this.maxPerHour]);
    if (items.length > MAX_ROWS) {
      const message = `the report has more than ${MAX_ROWS} rows: shorten the period`;
      throw validationFailed([{ path: 'to', message }]);
    }
    await this.audit.write(this.manager, {
      action: 'vaccination_report.anomalies_viewed',
      ...actorOf(caller),
      details: { ...query, count: items.length },
    });
    return { ...period, items };
  }
}

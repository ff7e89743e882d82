import { ApiProperty, PickType } from '@nestjs/swagger';
import { IsOptional, IsUUID } from 'class-validator';
import { IsQueryInt } from '../../http/pagination.dto.js';
import { IsLine } from '../../http/validation.js';
import { IsDay } from '../days.js';
import { IsGroupList, type ReportFilters, type ReportGroup } from './report-groups.js';

/** Filters of a report. */
export class AnomaliesQueryDto implements ReportFilters {
  /**
   * The first day, in the time zone of each centre. Default: 28 days up to `to`.
   * @example "2027-01-18"
   */
  @IsOptional()
  @IsDay()
  from?: string;
  /**
   * The last day, at most 366 days after the first one. Default: yesterday.
   * @example "2027-02-14"
   */
  @IsOptional()
  @IsDay()
  to?: string;
  /** The id of a vaccine. */
  @IsOptional()
  @IsUUID()
  vaccine?: string;
  /** The id of a centre. */
  @IsOptional()
  @IsUUID()
  centre?: string;
  /** @example "Dhaka" */
  @IsOptional()
  @IsLine(1, 80)
  district?: string;
  /** @example 1 */
  @IsQueryInt(1, 10)
  dose?: number;
}

/** Filters of the coverage report, and what its rows are. */
export class CoverageQueryDto extends AnomaliesQueryDto {
  /**
   * The groups, separated by commas. `sex` and `age_band` are counted by whole weeks, and cannot be combined with `day`.
   * @example ["dose", "centre"]
   */
  @IsGroupList('vaccine', 'dose', 'centre', 'district', 'day', 'week', 'sex', 'age_band')
  by: ReportGroup[] = ['dose'];
}

/** Filters of the report on the use of capacity, and what its rows are. */
export class UtilisationQueryDto extends AnomaliesQueryDto {
  /**
   * The groups, separated by commas. `dose` is the dose of the session, null if it gives any.
   * @example ["centre"]
   */
  @IsGroupList('vaccine', 'dose', 'centre', 'district', 'day', 'week')
  by: ReportGroup[] = ['centre'];
}

/** Filters of the report on missed appointments, and what its rows are. */
export class NoShowsQueryDto extends AnomaliesQueryDto {
  /**
   * The groups, separated by commas.
   * @example ["centre"]
   */
  @IsGroupList('vaccine', 'dose', 'centre', 'district', 'week')
  by: ReportGroup[] = ['centre'];
}

/** Filters of the report on adverse events, and what its rows are. */
export class AdverseEventsReportQueryDto extends PickType(AnomaliesQueryDto, ['from', 'to', 'vaccine'] as const) {
  /**
   * The groups, separated by commas.
   * @example ["vaccine", "event"]
   */
  @IsGroupList('vaccine', 'event', 'serious', 'month')
  by: ReportGroup[] = ['event'];
}

/** The group of a row: the fields that `by` names. */
export class ReportGroupDto {
  /**
   * The code of the vaccine.
   * @example CVX-208
   */
  vaccine?: string;
  /**
   * Null: sessions that give any dose.
   * @example 1
   */
  dose?: number | null;
  /**
   * The code of the centre.
   * @example DHK-07
   */
  centre?: string;
  /** @example "Dhaka" */
  district?: string;
  /** @example "2027-01-18" */
  day?: string;
  /**
   * An ISO week, from Monday to Sunday.
   * @example 2027-W03
   */
  week?: string;
  /** @example female */
  @ApiProperty({ enum: ['female', 'male', 'other', 'unknown'] })
  sex?: string;
  /**
   * The age on the day of the dose, in years; `unknown` without a date of birth.
   * @example 30-39
   */
  age_band?: string;
  /**
   * The code of an adverse event.
   * @example fever
   */
  event?: string;
  /** @example false */
  serious?: boolean;
  /** @example 2027-01 */
  month?: string;
}

/** A group and its number of adverse events. */
export class AdverseEventsItemDto extends ReportGroupDto {
  /** @example 12 */
  events: number;
}

/** A group and its number of doses. */
export class CoverageItemDto extends ReportGroupDto {
  /** @example 120 */
  doses: number;
}

/** The use of the capacity in a group. */
export class UtilisationItemDto extends ReportGroupDto {
  /**
   * The number of sessions.
   * @example 12
   */
  sessions: number;
  /**
   * Places for bookings.
   * @example 1440
   */
  capacity: number;
  /**
   * Booked places.
   * @example 1310
   */
  booked: number;
  /**
   * `booked` per place.
   * @example 0.91
   */
  use: number;
}

/** The missed appointments of a group. */
export class NoShowsItemDto extends ReportGroupDto {
  /**
   * Appointments that were not cancelled.
   * @example 1310
   */
  expected: number;
  /** @example 84 */
  no_shows: number;
  /**
   * `no_shows` per appointment.
   * @example 0.064
   */
  rate: number;
}

/** The period of a report. */
export class ReportPeriodDto {
  /** @example "2027-01-18" */
  @ApiProperty({ format: 'date' })
  from: string;
  /** @example "2027-02-14" */
  @ApiProperty({ format: 'date' })
  to: string;
}

/** The number of given doses. It contains no cell below 5: a group that is not listed may have a few doses. */
export class CoverageReportDto extends ReportPeriodDto {
  /** @example ["dose"] */
  by: string[];
  items: CoverageItemDto[];
  /**
   * The sum of the items.
   * @example 2480
   */
  total: number;
}

/** The use of capacity. Days on which a centre has 1 to 4 bookings are not contained. */
export class UtilisationReportDto extends ReportPeriodDto {
  /** @example ["centre"] */
  by: string[];
  items: UtilisationItemDto[];
}

/** Missed appointments. Weeks in which fewer than 5 people came to a centre, or fewer than 5 did not, are not contained. */
export class NoShowsReportDto extends ReportPeriodDto {
  /** @example ["centre"] */
  by: string[];
  items: NoShowsItemDto[];
}

/**
 * Adverse events of whole months that are over. Of a vaccine, an event that was recorded fewer than 5 times in a month is not
 * contained.
 */
export class AdverseEventsReportDto extends ReportPeriodDto {
  /** @example ["event"] */
  by: string[];
  items: AdverseEventsItemDto[];
  /**
   * The sum of the items.
   * @example 48
   */
  total: number;
}

export const ANOMALY_KINDS = ['same_lot', 'outside_hours', 'too_fast'] as const;

/** Records of doses that are probably wrong. */
export class AnomalyDto {
  /**
   * `same_lot`: two doses of a person from one lot, 60 days or more apart. `outside_hours`: before or after the hours of the
   * session. `too_fast`: more doses within an hour than a vaccinator can give.
   * @example outside_hours
   */
  @ApiProperty({ enum: ANOMALY_KINDS })
  kind: (typeof ANOMALY_KINDS)[number];
  at: Date;
  /**
   * In the time zone of the centre.
   * @example "2027-01-18"
   */
  @ApiProperty({ format: 'date' })
  day: string;
  /** @example DHK-07 */
  centre: string;
  /** @example CVX-208 */
  vaccine: string | null;
  /**
   * The number of the lot.
   * @example FE4721
   */
  lot: string | null;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @ApiProperty({ format: 'uuid' })
  vaccinator_id: string | null;
  @ApiProperty({ type: 'array', items: { type: 'string', format: 'uuid' } })
  dose_ids: string[];
  /**
   * Days between the doses, minutes before or after the hours, or doses within the hour.
   * @example 95
   */
  value: number;
}

/** Anomalies in the order of their times. */
export class AnomaliesReportDto extends ReportPeriodDto {
  items: AnomalyDto[];
}

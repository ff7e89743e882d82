import { ApiProperty, OmitType, PartialType } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsUUID,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { IsQueryBoolean, IsQueryInt, PageQueryDto } from '../../http/pagination.dto.js';
import { IsLine, IsOptionalNotNull } from '../../http/validation.js';
import { IsDay, IsInstant, IsLocalTime } from '../days.js';
import { SESSION_STATUSES, type SessionStatus, type VaccinationSession } from './vaccination-session.entity.js';

const MAX_CAPACITY = 100_000;
export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** A session to create, as a draft. */
export class CreateVaccinationSessionDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c */
  @IsUUID()
  centre_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @IsUUID()
  vaccine_id: string;
  /**
   * The only dose that is given; null: any.
   * @example 1
   */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(10)
  dose?: number | null;
  /** @example "2027-01-18T03:00:00.000Z" */
  @IsInstant()
  starts_at: Date;
  /** @example "2027-01-18T06:00:00.000Z" */
  @IsInstant()
  ends_at: Date;
  /**
   * Bookings are refused before this time.
   * @example "2027-01-04T03:00:00.000Z"
   */
  @IsInstant()
  opens_at: Date;
  /**
   * Places for bookings.
   * @example 120
   */
  @IsInt()
  @Min(0)
  @Max(MAX_CAPACITY)
  capacity: number;
  /**
   * Places for people without a booking.
   * @example 10
   */
  @IsOptionalNotNull()
  @IsInt()
  @Min(0)
  @Max(MAX_CAPACITY)
  walk_in_capacity?: number;
}

/** Changes of a session. While it is open, only the capacities can change, and not below what is booked. */
export class UpdateVaccinationSessionDto extends PartialType(
  OmitType(CreateVaccinationSessionDto, ['centre_id'] as const),
  {
    skipNullProperties: false,
  },
) {}

/** A weekly pattern of sessions. Times are local times of the centre. */
export class CreateRecurringVaccinationSessionsDto extends OmitType(CreateVaccinationSessionDto, [
  'starts_at',
  'ends_at',
  'opens_at',
] as const) {
  /**
   * The first day.
   * @example "2027-01-18"
   */
  @IsDay()
  from: string;
  /**
   * The last day, at most 366 days after the first one.
   * @example "2027-03-31"
   */
  @IsDay()
  to: string;
  /** @example ["mon", "thu"] */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(7)
  @ArrayUnique()
  @IsIn(WEEKDAYS, { each: true })
  weekdays: Weekday[];
  /**
   * The local time at which each session starts.
   * @example "09:00"
   */
  @IsLocalTime()
  start_time: string;
  /** @example "12:00" */
  @IsLocalTime()
  end_time: string;
  /**
   * Days before each session from which it can be booked.
   * @example 14
   */
  @IsInt()
  @Min(0)
  @Max(365)
  opens_days_before: number;
}

/** Query parameters of the list of sessions. Without `status` it has the sessions that can be booked now or later. */
export class VaccinationSessionsQueryDto extends PageQueryDto {
  /** The id of a vaccine. */
  @IsOptional()
  @IsUUID()
  vaccine?: string;
  /**
   * Only sessions in which this dose is given.
   * @example 1
   */
  @IsQueryInt(1, 10)
  dose?: number;
  /** The id of a centre. */
  @IsOptional()
  @IsUUID()
  centre?: string;
  /** @example "Dhaka" */
  @IsOptional()
  @IsLine(1, 80)
  district?: string;
  /**
   * Latitude and longitude in degrees, with a comma: the nearest sessions come first.
   * @example "23.7461,90.3742"
   */
  @IsOptional()
  @Matches(/^-?\d{1,2}(\.\d{1,8})?,-?\d{1,3}(\.\d{1,8})?$/, {
    message: '$property must be latitude and longitude such as 23.7461,90.3742',
  })
  near?: string;
  /**
   * Only sessions that start on this day of their centre or later.
   * @example "2027-01-18"
   */
  @IsOptional()
  @IsDay()
  from?: string;
  /** Only sessions that start on this day of their centre or earlier. */
  @IsOptional()
  @IsDay()
  to?: string;
  /** Only sessions with places (`true`), or only full ones (`false`). */
  @IsQueryBoolean()
  available?: boolean;
  /** Sessions in this state, also past ones. `draft` is for the staff of `centre`. */
  @IsOptional()
  @IsIn(SESSION_STATUSES)
  status?: SessionStatus;
}

/** The centre of a session. */
export class SessionCentreDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example "Dhanmondi Community Centre" */
  name: string;
  /** @example "Road 7, Dhanmondi" */
  address: string;
  /** @example "Dhaka" */
  district: string;
  /** @example 23.7461 */
  latitude: number;
  /** @example 90.3742 */
  longitude: number;
  /** @example Asia/Dhaka */
  time_zone: string;
}

/** The vaccine of a session. */
export class SessionVaccineDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example CVX-208 */
  code: string;
  /** @example "Comirnaty" */
  name: string;
}

/** A session. */
export class VaccinationSessionDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e */
  @ApiProperty({ format: 'uuid' })
  id: string;
  centre: SessionCentreDto;
  vaccine: SessionVaccineDto;
  /**
   * The only dose that is given; null: any.
   * @example 1
   */
  dose: number | null;
  starts_at: Date;
  ends_at: Date;
  opens_at: Date;
  /** @example 120 */
  capacity: number;
  /**
   * Places that are not booked.
   * @example 37
   */
  available: number;
  /** @example 10 */
  walk_in_capacity: number;
  /** @example open */
  status: SessionStatus;
  /** @example The delivery of the vaccine is late. */
  cancellation_reason: string | null;
  /**
   * From the point of `near`; null without it.
   * @example 1.4
   */
  distance_km: number | null;
}

/** A page of sessions. */
export class VaccinationSessionsPageDto {
  items: VaccinationSessionDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
  /** When the free places were counted. */
  as_of: Date;
}

/** The sessions that a pattern generated. */
export class RecurringVaccinationSessionsDto {
  items: VaccinationSessionDto[];
}

/** A session with its centre and vaccine loaded; `distance` is in kilometres. */
export function toSessionDto(session: VaccinationSession, distance: number | null = null): VaccinationSessionDto {
  const {
    centre,
    vaccine,
    centre_id: _centreId,
    vaccine_id: _vaccineId,
    booked,
    walk_ins: _walkIns,
    ...rest
  } = session;
  const { created_at: _created, updated_at: _updated, ...fields } = rest;
  const { id, name, address, district, latitude, longitude, time_zone } = centre;
  return {
    ...fields,
    centre: { id, name, address, district, latitude, longitude, time_zone },
    vaccine: { id: vaccine.id, code: vaccine.code, name: vaccine.name },
    available: session.capacity - booked,
    distance_km: distance,
  };
}

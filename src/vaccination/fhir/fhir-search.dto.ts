import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsIn, IsOptional, IsString, IsUUID, MaxLength, ValidateBy } from 'class-validator';
import { DateTime } from 'luxon';
import { IsQueryInt } from '../../http/pagination.dto.js';
import { IsFreeText } from '../registrations/free-text.js';
import { DEFAULT_TIME_ZONE } from '../time-zones.js';

const FORMATS = ['json', 'application/json', 'application/fhir+json'];
const DATE = /^(?:eq|ge|gt|le|lt)?\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

function isDateSearch(value: unknown): boolean {
  if (typeof value !== 'string' || !DATE.test(value)) return false;
  const { isValid, year } = DateTime.fromISO(value.replace(/^[a-z]{2}/, ''), { zone: 'utc' });
  return isValid && year >= 1900 && year <= 2200;
}

/** The id in a search parameter of the type reference: `Patient/<id>` or the id alone. */
const IsReferenceTo = (type: string): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ type: String }),
    IsOptional(),
    Transform(({ value }) => (typeof value === 'string' ? value.replace(`${type}/`, '').toLowerCase() : value)),
    IsUUID(),
  );

/** One or two dates with the prefixes `eq`, `ge`, `gt`, `le` or `lt`. Days are days in Dhaka. */
const IsDateSearch = (): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ type: 'array', items: { type: 'string' } }),
    IsOptional(),
    Transform(({ value }) => (typeof value === 'string' ? [value] : value)),
    IsArray(),
    ArrayMaxSize(2),
    ValidateBy(
      {
        name: 'isDateSearch',
        validator: { validate: isDateSearch, defaultMessage: () => '$property must be a date such as ge2027-01-18' },
      },
      { each: true },
    ),
  );

/** Codes of one kind, separated by commas. */
const IsCodeList = (codes: readonly string[]): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ type: 'array', items: { type: 'string', enum: [...codes] } }),
    IsOptional(),
    Transform(({ value }) => (typeof value === 'string' ? value.split(',') : value)),
    IsArray(),
    IsIn(codes, { each: true }),
  );

/** A code with or without its system, `system|code`. */
const IsToken = (): PropertyDecorator =>
  applyDecorators(
    IsOptional(),
    Transform(({ value }) => (typeof value === 'string' ? value.split('|').at(-1) : value)),
    IsString(),
    MaxLength(60),
  );

/** Parameters of every read. */
export class FhirReadQueryDto {
  /**
   * Why the staff reads the record of another person; it is written to the audit log.
   * @example "Question at the counter"
   */
  @IsOptional()
  @IsFreeText(3, 200)
  reason?: string;
  /** @example json */
  @IsOptional()
  @IsIn(FORMATS)
  _format?: string;
}

/** Parameters of every search. */
export class FhirSearchQueryDto extends FhirReadQueryDto {
  /** The id of the resource. */
  @IsOptional()
  @IsUUID()
  _id?: string;
  /** The maximum number of resources of a page. */
  @IsQueryInt(1, 100)
  _count: number = 50;
  /** The link `next` of a page contains it. */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  _cursor?: string;
}

/** Parameters of a search for patients. Without `_id` and `identifier`: those of the caller's account. */
export class FhirPatientSearchDto extends FhirSearchQueryDto {
  /** The id of the patient, as `urn:uuid:…`, with or without its system. */
  @IsOptional()
  @Transform(({ value }) =>
    typeof value === 'string' ? value.split('|').at(-1)!.replace('urn:uuid:', '').toLowerCase() : value,
  )
  @IsUUID()
  identifier?: string;
}

/** Parameters of a search for something of a patient. Without `patient`: of all patients of the caller's account. */
export class FhirRecommendationSearchDto extends FhirSearchQueryDto {
  @IsReferenceTo('Patient')
  patient?: string;
}

export const IMMUNIZATION_STATUSES = ['completed', 'entered-in-error'] as const;

/** Parameters of a search for immunizations. */
export class FhirImmunizationSearchDto extends FhirRecommendationSearchDto {
  @IsDateSearch()
  date?: string[];
  @IsCodeList(IMMUNIZATION_STATUSES)
  status?: (typeof IMMUNIZATION_STATUSES)[number][];
  /**
   * A CVX or ATC code.
   * @example "208"
   */
  @IsToken()
  'vaccine-code'?: string;
}

export const FHIR_APPOINTMENT_STATUSES = ['booked', 'checked-in', 'fulfilled', 'cancelled', 'noshow'] as const;

/** Parameters of a search for appointments. */
export class FhirAppointmentSearchDto extends FhirRecommendationSearchDto {
  @IsDateSearch()
  date?: string[];
  @IsCodeList(FHIR_APPOINTMENT_STATUSES)
  status?: (typeof FHIR_APPOINTMENT_STATUSES)[number][];
}

export const SLOT_STATUSES = ['free', 'busy', 'busy-unavailable'] as const;

/** Parameters of a search for slots. Without `start`: those that have not started. */
export class FhirSlotSearchDto extends FhirSearchQueryDto {
  @IsDateSearch()
  start?: string[];
  @IsCodeList(SLOT_STATUSES)
  status?: (typeof SLOT_STATUSES)[number][];
  /** The id of the centre. */
  @IsReferenceTo('Schedule')
  schedule?: string;
  /**
   * A CVX or ATC code.
   * @example "208"
   */
  @IsToken()
  'service-type'?: string;
}

/** The unit of a date: it stands for the whole day, minute, second or millisecond (FHIR R4, 3.1.1.4.7). */
function precisionOf(date: string): 'days' | 'minutes' | 'seconds' | 'milliseconds' {
  if (!date.includes('T')) return 'days';
  if (date.includes('.')) return 'milliseconds';
  return /T\d{2}:\d{2}:\d{2}/.test(date) ? 'seconds' : 'minutes';
}

/** SQL on a column of timestamps for dates with prefixes, and its parameters. */
export function dateConditions(column: string, dates: string[] = []): [sql: string, values: Record<string, Date>][] {
  return dates.map((text, index) => {
    const [, prefix = 'eq', date] = /^([a-z]{2})?(.*)$/.exec(text)!;
    const start = DateTime.fromISO(date!, { zone: DEFAULT_TIME_ZONE });
    const end = start.plus({ [precisionOf(date!)]: 1 });
    const [from, to] = [`${column} >= :from${index}`, `${column} < :to${index}`];
    const conditions: Record<string, string> = {
      eq: `${from} and ${to}`,
      ge: from,
      gt: `not (${to})`,
      le: to,
      lt: `not (${from})`,
    };
    return [conditions[prefix]!, { [`from${index}`]: start.toJSDate(), [`to${index}`]: end.toJSDate() }];
  });
}

import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { InLowerCase } from '../../http/validation.js';
import { IsInstant } from '../days.js';
import { IsFreeText } from '../registrations/free-text.js';
import { ADVERSE_EVENTS, type AdverseEventCode, SEVERITIES, type Severity } from './adverse-event-codes.js';
import { ADVERSE_EVENT_STATUSES, type AdverseEvent, type AdverseEventStatus } from './adverse-event.entity.js';

const CODES = Object.keys(ADVERSE_EVENTS);

/** What happened to a person after a dose. */
export class RecordAdverseEventDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a62 */
  @InLowerCase()
  @IsUUID()
  dose_id: string;
  /** @example fever */
  @IsIn(CODES)
  @ApiProperty({ enum: CODES })
  code: AdverseEventCode;
  /** @example moderate */
  @IsIn(SEVERITIES)
  severity: Severity;
  /**
   * Whether the person died, was in danger of life, stayed in a hospital, or has lasting harm.
   * @example false
   */
  @IsBoolean()
  is_serious: boolean;
  /**
   * When it began, not before the dose.
   * @example "2027-01-18T15:30:00Z"
   */
  @IsInstant()
  onset_at: Date;
  /**
   * What happened. Required for the code `other`.
   * @example "39.2 °C in the evening, normal on the next morning."
   */
  @IsOptional()
  @IsFreeText(3, 1000)
  description?: string | null;
}

/** Query parameters of the list of adverse events. */
export class AdverseEventsQueryDto extends PageQueryDto {
  /** The events of a dose: for the person and the staff concerned. */
  @IsOptional()
  @InLowerCase()
  @IsUUID()
  dose_id?: string;
  /** The events after all doses of a centre: for its staff. */
  @IsOptional()
  @InLowerCase()
  @IsUUID()
  centre_id?: string;
  /**
   * Why the caller reads the records of other people; required then. It is written to the audit log.
   * @example "Weekly review of adverse events"
   */
  @IsOptional()
  @IsFreeText(3, 200)
  reason?: string;
}

/** Why a record of an adverse event is wrong. */
export class EnterAdverseEventInErrorDto {
  /** @example "It was recorded for the wrong dose." */
  @IsFreeText(3, 300)
  reason: string;
}

/** An adverse event after a dose. */
export class AdverseEventDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a64 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a62 */
  @ApiProperty({ format: 'uuid' })
  dose_id: string;
  /**
   * Where the dose was given.
   * @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c
   */
  @ApiProperty({ format: 'uuid' })
  centre_id: string;
  /** @example fever */
  @ApiProperty({ enum: CODES })
  code: AdverseEventCode;
  /** @example moderate */
  @ApiProperty({ enum: SEVERITIES })
  severity: Severity;
  /** @example false */
  is_serious: boolean;
  onset_at: Date;
  /** @example "39.2 °C in the evening, normal on the next morning." */
  description: string | null;
  /** @example recorded */
  @ApiProperty({ enum: ADVERSE_EVENT_STATUSES })
  status: AdverseEventStatus;
  /** Null once the account is deleted. */
  @ApiProperty({ format: 'uuid', nullable: true, type: String })
  recorded_by: string | null;
  error_at: Date | null;
  /** @example "It was recorded for the wrong dose." */
  error_reason: string | null;
  created_at: Date;
}

/** A page of adverse events. */
export class AdverseEventsPageDto {
  items: AdverseEventDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export const toAdverseEventDto = ({
  dose: _dose,
  centre: _centre,
  recorder: _recorder,
  ...event
}: AdverseEvent): AdverseEventDto => event;

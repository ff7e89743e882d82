import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsUUID } from 'class-validator';
import { INELIGIBILITY_REASONS } from '../../http/problems/problem-catalogue.js';
import type { IneligibilityReason } from './eligibility.js';

/** Query parameters of the eligibility of a person. */
export class EligibilityQueryDto {
  /** The id of a vaccine; absent: all active vaccines. */
  @IsOptional()
  @IsUUID()
  vaccine?: string;
  /** The id of a centre, in whose time zone days are counted; absent: Asia/Dhaka. */
  @IsOptional()
  @IsUUID()
  centre?: string;
}

/** A vaccine of which a dose may be given. */
export class EligibleVaccineDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example CVX-208 */
  code: string;
  /** @example "Comirnaty" */
  name: string;
  /** @example "840539006" */
  disease: string;
}

/** Whether a person can get the next dose of a vaccine. */
export class VaccineEligibilityDto {
  vaccine: EligibleVaccineDto;
  /**
   * Whether the person can get it today.
   * @example false
   */
  is_eligible: boolean;
  /**
   * Null when the course is complete.
   * @example 2
   */
  next_dose: number | null;
  /**
   * The first day from today on, on which age and interval allow it; null if there is none.
   * @example "2027-02-01"
   */
  earliest_day: string | null;
  /**
   * The day that the vaccine recommends.
   * @example "2027-03-01"
   */
  recommended_day: string | null;
  /**
   * The last day on which the person is young enough; null without a limit.
   * @example "2090-05-16"
   */
  latest_day: string | null;
  /** Why the person cannot get it today. A refused booking reports the same codes. */
  @ApiProperty({ enum: INELIGIBILITY_REASONS, isArray: true, example: ['too_early'] })
  reasons: IneligibilityReason[];
}

/** What a person can get, and when. */
export class EligibilityDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5f */
  @ApiProperty({ format: 'uuid' })
  registration_id: string;
  /**
   * The day of the answer, in the time zone of the centre.
   * @example "2027-01-18"
   */
  today: string;
  items: VaccineEligibilityDto[];
}

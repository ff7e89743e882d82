import { ApiProperty } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import { IsOptionalNotNull } from '../../http/validation.js';
import { IsFreeText } from '../registrations/free-text.js';
import { type Appointment, APPOINTMENT_STATUSES, type AppointmentStatus } from './appointment.entity.js';

/** A check-in: by the code of the person, or by a manager of the centre with a reason. */
export class CheckInDto {
  /**
   * The code that the owner of the appointment sees.
   * @example "042117"
   */
  @IsOptionalNotNull()
  @Matches(/^\d{6}$/, { message: '$property must be six digits' })
  code?: string;
  /**
   * Why a manager checks the person in without the code.
   * @example "The phone is broken; the passport was checked."
   */
  @IsOptionalNotNull()
  @IsFreeText(3, 300)
  override_reason?: string;
}

/** One of the two fields is sent, so that no example has both. */
export const CHECK_IN_EXAMPLES = {
  code: { summary: 'By the code', value: { code: '042117' } },
  override: { summary: 'By a manager', value: { override_reason: 'The phone is broken; the passport was checked.' } },
};

/** An appointment as the centre sees it after the check-in or a no-show. */
export class VisitDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a61 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e */
  @ApiProperty({ format: 'uuid' })
  session_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  registration_id: string;
  /** @example 1 */
  dose: number;
  /** @example checked_in */
  @ApiProperty({ enum: APPOINTMENT_STATUSES })
  status: AppointmentStatus;
  /** @example false */
  is_walk_in: boolean;
  checked_in_at: Date | null;
}

export const toVisitDto = ({
  id,
  session_id,
  registration_id,
  dose,
  status,
  is_walk_in,
  checked_in_at,
}: Appointment): VisitDto => ({ id, session_id, registration_id, dose, status, is_walk_in, checked_in_at });

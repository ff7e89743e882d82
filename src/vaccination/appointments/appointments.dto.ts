import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { InLowerCase } from '../../http/validation.js';
import { toSessionDto, VaccinationSessionDto } from '../sessions/vaccination-sessions.dto.js';
import { APPOINTMENT_STATUSES, type Appointment, type AppointmentStatus } from './appointment.entity.js';

/** A place to book for a person of the caller's account. The dose is the next one of the person. */
export class CreateAppointmentDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @InLowerCase()
  @IsUUID()
  registration_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e */
  @InLowerCase()
  @IsUUID()
  session_id: string;
}

/** The session to which an appointment moves. */
export class MoveAppointmentDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5f */
  @InLowerCase()
  @IsUUID()
  session_id: string;
}

/** An appointment of a person of the caller's account. */
export class AppointmentDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @ApiProperty({ format: 'uuid' })
  registration_id: string;
  session: VaccinationSessionDto;
  /** @example 1 */
  dose: number;
  /** @example booked */
  @ApiProperty({ enum: APPOINTMENT_STATUSES })
  status: AppointmentStatus;
  /**
   * How often it was moved; three times at most.
   * @example 0
   */
  moves: number;
  /**
   * What the person shows at the check-in, while it is booked; null otherwise.
   * @example "042117"
   */
  check_in_code: string | null;
  /** Until then it can be moved and cancelled. */
  changeable_until: Date;
  created_at: Date;
  updated_at: Date;
}

export class AppointmentsDto {
  items: AppointmentDto[];
}

/** An appointment with its session, centre and vaccine loaded. `cutoffMinutes`: BOOKING_CUTOFF_MINUTES. */
export function toAppointmentDto(appointment: Appointment, code: string, cutoffMinutes: number): AppointmentDto {
  const { id, registration_id, session, dose, status, moves, created_at, updated_at } = appointment;
  const changeable_until = new Date(session.starts_at.getTime() - cutoffMinutes * 60_000);
  const fields = { id, registration_id, session: toSessionDto(session), dose, status, moves };
  const check_in_code = status === 'booked' ? code : null;
  return { ...fields, check_in_code, changeable_until, created_at, updated_at };
}

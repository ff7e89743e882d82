import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { InLowerCase } from '../../http/validation.js';
import { rowToSessionDto } from '../sessions/session-rows.js';
import { VaccinationSessionDto } from '../sessions/vaccination-sessions.dto.js';
import { APPOINTMENT_STATUSES, type AppointmentStatus } from './appointment.entity.js';
import type { OwnAppointment } from './own-appointments.service.js';

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

/** The times stay texts: they are only sent. `cutoffMinutes`: BOOKING_CUTOFF_MINUTES. */
export function toAppointmentDto(row: OwnAppointment, code: string, cutoffMinutes: number): AppointmentDto {
  const status = row.appointment_status;
  return {
    id: row.appointment_id,
    registration_id: row.registration_id,
    session: rowToSessionDto(row),
    dose: row.booked_dose,
    status,
    moves: row.moves,
    check_in_code: status === 'booked' ? code : null,
    changeable_until: new Date(Date.parse(row.starts_at) - cutoffMinutes * 60_000),
    created_at: row.created_at,
    updated_at: row.updated_at,
  } as unknown as AppointmentDto;
}

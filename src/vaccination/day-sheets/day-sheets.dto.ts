import { ApiProperty } from '@nestjs/swagger';
import { IsQueryInt } from '../../http/pagination.dto.js';
import { APPOINTMENT_STATUSES, type AppointmentStatus } from '../appointments/appointment.entity.js';
import { ID_TYPES, type IdType, type Sex, SEXES } from '../registrations/registration.entity.js';
import { ReadAsStaffQueryDto } from '../registrations/registrations.dto.js';
import { VaccinationSessionDto } from '../sessions/vaccination-sessions.dto.js';

/** Query parameters of a day sheet. */
export class DaySheetQueryDto extends ReadAsStaffQueryDto {
  /** A sheet has 1,000 people; larger sessions have several parts. */
  @IsQueryInt(1, 1000)
  part: number = 1;
}

/** A person who is expected at a session, or came. */
export class DaySheetRowDto {
  /**
   * In the order of the names.
   * @example 1
   */
  number: number;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a61 */
  @ApiProperty({ format: 'uuid' })
  appointment_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  registration_id: string;
  /** @example "Hana Sato" */
  legal_name: string;
  /** @example "1990-04-01" */
  date_of_birth: string | null;
  /** @example female */
  @ApiProperty({ enum: SEXES, nullable: true, type: String })
  sex: Sex | null;
  /** @example NID */
  @ApiProperty({ enum: ID_TYPES })
  id_type: IdType;
  /**
   * Masked, but for its last four characters.
   * @example "*******8901"
   */
  id_number: string;
  /** @example 1 */
  dose: number;
  /** @example checked_in */
  @ApiProperty({ enum: APPOINTMENT_STATUSES })
  status: AppointmentStatus;
  /** @example false */
  is_walk_in: boolean;
  checked_in_at: Date | null;
  /** When the dose was given; null before. */
  given_at: Date | null;
  /** @example FA4598 */
  lot_number: string | null;
}

/** The people of a session, in the order of their names, without cancelled appointments. */
export class DaySheetDto {
  session: VaccinationSessionDto;
  as_of: Date;
  /** @example 1 */
  part: number;
  /** @example 1 */
  parts: number;
  /**
   * The number of people in all parts.
   * @example 48
   */
  total: number;
  items: DaySheetRowDto[];
}

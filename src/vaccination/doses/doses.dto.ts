import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, IsUUID } from 'class-validator';
import { IsOptionalNotNull } from '../../http/validation.js';
import { IsInstant } from '../days.js';
import { IsFreeText } from '../registrations/free-text.js';
import { DOSE_STATUSES, type Dose, type DoseStatus } from './dose.entity.js';
import { DOSE_ROUTES, DOSE_SITES, type DoseRoute, type DoseSite } from './dose-codes.js';

const SITES = Object.keys(DOSE_SITES);
const ROUTES = Object.keys(DOSE_ROUTES);

/** A dose that the caller has given to a person who checked in. */
export class RecordDoseDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a61 */
  @IsUUID()
  appointment_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @IsUUID()
  lot_id: string;
  /**
   * The body site, as a code of HL7 ActSite. Required but for oral and nasal vaccines, which have none.
   * @example LA
   */
  @IsOptional()
  @IsIn(SITES)
  @ApiProperty({ enum: SITES, required: false, nullable: true, type: String })
  site?: DoseSite | null;
  /**
   * As a code of HL7 RouteOfAdministration.
   * @example IM
   */
  @IsIn(ROUTES)
  @ApiProperty({ enum: ROUTES })
  route: DoseRoute;
  /**
   * When it was given, on a day of the session; now by default.
   * @example "2027-01-18T03:40:00Z"
   */
  @IsOptionalNotNull()
  @IsInstant()
  given_at?: Date;
}

/** Why a record of a dose is wrong. */
export class EnterDoseInErrorDto {
  /** @example "It was recorded for the wrong person." */
  @IsFreeText(3, 300)
  reason: string;
  /**
   * Whether no dose was taken from the lot, so that the stock of the lot rises again. The default is false.
   * @example false
   */
  @IsOptionalNotNull()
  @IsBoolean()
  return_stock?: boolean;
}

/** The record of a dose. */
export class DoseDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a62 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  registration_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a61 */
  @ApiProperty({ format: 'uuid' })
  appointment_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c */
  @ApiProperty({ format: 'uuid' })
  centre_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @ApiProperty({ format: 'uuid' })
  vaccine_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @ApiProperty({ format: 'uuid' })
  lot_id: string;
  /** @example FA4598 */
  lot_number: string;
  /**
   * As a SNOMED CT code.
   * @example "840539006"
   */
  disease: string;
  /** @example 1 */
  dose: number;
  /** @example completed */
  @ApiProperty({ enum: DOSE_STATUSES })
  status: DoseStatus;
  /** Who gave it; null once the account is deleted. */
  @ApiProperty({ format: 'uuid', nullable: true, type: String })
  vaccinator_id: string | null;
  /** @example LA */
  @ApiProperty({ enum: SITES, nullable: true, type: String })
  site: DoseSite | null;
  /** @example IM */
  @ApiProperty({ enum: ROUTES })
  route: DoseRoute;
  given_at: Date;
  /** When it was entered in error. */
  error_at: Date | null;
  /** @example "It was recorded for the wrong person." */
  error_reason: string | null;
  created_at: Date;
}

/** The doses of the caller and of their dependants. */
export class OwnDosesDto {
  items: DoseDto[];
}

/** A dose with its lot loaded. */
export function toDoseDto(dose: Dose): DoseDto {
  const { id, registration_id, appointment_id, centre_id, vaccine_id, lot_id, lot, disease, status } = dose;
  const { vaccinator_id, site, route, given_at, error_at, error_reason, created_at } = dose;
  return {
    id,
    registration_id,
    appointment_id,
    centre_id,
    vaccine_id,
    lot_id,
    lot_number: lot.number,
    disease,
    dose: dose.dose,
    status,
    vaccinator_id,
    site,
    route,
    given_at,
    error_at,
    error_reason,
    created_at,
  };
}

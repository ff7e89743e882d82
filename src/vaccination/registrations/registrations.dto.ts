import { ApiProperty, OmitType, PartialType } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { IsOptionalNotNull } from '../../http/validation.js';
import { DecisionDto } from '../../http/versions.dto.js';
import { IsDay } from '../days.js';
import { IsFreeText } from './free-text.js';
import { maskedNumber } from './national-id.js';
import { IsPhoneNumber } from './phone-number.js';
import {
  ID_TYPES,
  type IdType,
  type Registration,
  REGISTRATION_STATUSES,
  type RegistrationStatus,
  type Sex,
  SEXES,
} from './registration.entity.js';

/** A person to register for vaccination. */
export class CreateRegistrationDto {
  /**
   * The name as in the identity document.
   * @example "Hana Sato"
   */
  @IsFreeText(1, 150)
  legal_name: string;
  /** @example "1990-04-01" */
  @IsDay()
  date_of_birth: string;
  /** @example female */
  @IsOptional()
  @IsIn(SEXES)
  sex?: Sex | null;
  /** @example NID */
  @IsIn(ID_TYPES)
  id_type: IdType;
  /**
   * A NID has 10, 13 or 17 digits, a birth registration 17, a passport 6 to 12 letters and digits. Spaces, dashes and Bengali
   * digits are allowed. A NID of 17 digits starts with the year of birth, and is the same id as its last 13 digits.
   * @example "1990 2612 3456 78901"
   */
  @IsString()
  @MaxLength(60)
  id_number: string;
  /**
   * With its country code, or a Bangladeshi number that starts with 01.
   * @example "01712345678"
   */
  @IsPhoneNumber()
  phone: string;
  /**
   * Whether the person is a dependant of the caller, who can register four of them.
   * @example false
   */
  @IsOptionalNotNull()
  @IsBoolean()
  is_dependant?: boolean;
}

/** Changes of a registration. A field that is left out stays as it is. */
export class UpdateRegistrationDto extends PartialType(OmitType(CreateRegistrationDto, ['is_dependant'] as const), {
  skipNullProperties: false,
}) {}

/** Why a member of the staff reads a record. */
export class ReadRegistrationQueryDto {
  /**
   * Why the caller reads the record of another person; required then. It is written to the audit log.
   * @example "The citizen called about a typo."
   */
  @IsOptional()
  @IsFreeText(3, 200)
  reason?: string;
}

/** Why a member of the staff reads the records of other people. */
export class ReadAsStaffQueryDto {
  /**
   * Why the caller reads these records. It is written to the audit log.
   * @example "The list for the entrance"
   */
  @IsFreeText(3, 200)
  reason: string;
}

/** Query parameters of the list of registrations. */
export class RegistrationsQueryDto extends PageQueryDto {
  @IsOptional()
  @IsIn(REGISTRATION_STATUSES)
  status?: RegistrationStatus;
  /**
   * Why the caller reads these records. It is written to the audit log.
   * @example "Daily verification"
   */
  @IsFreeText(3, 200)
  reason: string;
}

/** Why a registration is rejected. The person who registered sees it. */
export class RejectRegistrationDto extends DecisionDto {
  /** @example "The name differs from the document." */
  @IsFreeText(3, 300)
  reason: string;
}

/** A person who registered for vaccination. */
export class VaccinationRegistrationDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example false */
  is_dependant: boolean;
  /** @example "Hana Sato" */
  legal_name: string;
  /** @example "1990-04-01" */
  date_of_birth: string | null;
  /** @example female */
  sex: Sex | null;
  /** @example NID */
  id_type: IdType;
  /**
   * Masked, but for its last four characters.
   * @example "*******8901"
   */
  id_number: string;
  /**
   * E.164.
   * @example "+8801712345678"
   */
  phone: string | null;
  /** @example pending */
  status: RegistrationStatus;
  /** @example "The name differs from the document." */
  rejection_reason: string | null;
  decided_at: Date | null;
  /**
   * Send it with a decision, as `version` or in `If-Match`.
   * @example 1
   */
  @ApiProperty({ type: 'integer' })
  version: number;
  created_at: Date;
  updated_at: Date;
}

/** The registrations of the caller and of their dependants. */
export class OwnRegistrationsDto {
  items: VaccinationRegistrationDto[];
}

/** A page of registrations. */
export class RegistrationsPageDto {
  items: VaccinationRegistrationDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A registration as its owner and the staff concerned see it. */
export const toRegistrationDto = (registration: Registration): VaccinationRegistrationDto => ({
  id: registration.id,
  is_dependant: registration.place > 0,
  legal_name: registration.legal_name,
  date_of_birth: registration.date_of_birth,
  sex: registration.sex,
  id_type: registration.id_type,
  id_number: maskedNumber(registration.id_last4),
  phone: registration.phone,
  status: registration.status,
  rejection_reason: registration.rejection_reason,
  decided_at: registration.decided_at,
  version: registration.version,
  created_at: registration.created_at,
  updated_at: registration.updated_at,
});

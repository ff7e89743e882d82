import { ApiProperty } from '@nestjs/swagger';
import { VaccinationRegistrationDto } from '../registrations/registrations.dto.js';

/** An appointment in an export. */
export class ExportedAppointmentDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a61 */
  @ApiProperty({ format: 'uuid' })
  session_id: string;
  /** @example "Dhanmondi Community Centre" */
  centre: string;
  starts_at: Date;
  /**
   * As a SNOMED CT code.
   * @example "840539006"
   */
  disease: string;
  /** @example 1 */
  dose: number;
  /** @example booked */
  status: string;
  /** @example false */
  is_walk_in: boolean;
  /** @example 0 */
  moves: number;
  /**
   * Wrong codes at the check-in.
   * @example 0
   */
  failed_check_ins: number;
  checked_in_at: Date | null;
  cancelled_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

/** A dose in an export. */
export class ExportedDoseDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a61 */
  @ApiProperty({ format: 'uuid' })
  appointment_id: string;
  /** @example "Dhanmondi Community Centre" */
  centre: string;
  /** @example "Testvax" */
  vaccine: string;
  /** @example L-2041 */
  lot: string;
  /**
   * As a SNOMED CT code.
   * @example "840539006"
   */
  disease: string;
  /** @example 1 */
  dose: number;
  /** @example completed */
  status: string;
  /** Who gave it; null once the account is deleted. */
  @ApiProperty({ format: 'uuid', nullable: true, type: String })
  vaccinator_id: string | null;
  given_at: Date;
  /** @example LA */
  site: string | null;
  /** @example IM */
  route: string;
  error_at: Date | null;
  /** @example "The dose was recorded for another person." */
  error_reason: string | null;
  created_at: Date;
}

/** An adverse event in an export. */
export class ExportedAdverseEventDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a64 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a62 */
  @ApiProperty({ format: 'uuid' })
  dose_id: string;
  /** @example fever */
  code: string;
  /** @example moderate */
  severity: string;
  /** @example false */
  is_serious: boolean;
  onset_at: Date;
  /** @example "39.2 °C in the evening, normal on the next morning." */
  description: string | null;
  /** @example recorded */
  status: string;
  /** Null once the account is deleted. */
  @ApiProperty({ format: 'uuid', nullable: true, type: String })
  recorded_by: string | null;
  error_at: Date | null;
  /** @example "It was recorded for the wrong dose." */
  error_reason: string | null;
  created_at: Date;
}

/** A certificate in an export. */
export class ExportedCertificateDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a62 */
  @ApiProperty({ format: 'uuid' })
  dose_id: string;
  /** @example "URN:UVCI:01:BD:0199C2A46F007A119C550B1D2E3F4A60#M" */
  uvci: string;
  /**
   * Names the SMART Health Card in its revocation list.
   * @example "oR3Bz7Yh0_aQ"
   */
  rid: string;
  /**
   * The text of the first QR code.
   * @example "HC1:6BF+70790T9WJWG.FKY*4GO0"
   */
  hcert: string;
  /**
   * The text of the second QR code.
   * @example "shc:/567629095243206034602924374044603122295953265460346029254077280433602870286471674522280928"
   */
  shc: string;
  /**
   * The key that signed.
   * @example "QF+3AeqfzwQ="
   */
  hcert_kid: string;
  /** @example "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" */
  shc_kid: string;
  issued_at: Date;
  expires_at: Date;
  revoked_at: Date | null;
}

/** A place on a waitlist in an export. */
export class ExportedWaitlistEntryDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a61 */
  @ApiProperty({ format: 'uuid' })
  session_id: string;
  created_at: Date;
}

/** An entry of the audit log about the record: who read or changed it, when and why. */
export class ExportedAuditEventDto {
  at: Date;
  /** @example registration.viewed */
  action: string;
  /**
   * The user who acted.
   * @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42
   */
  @ApiProperty({ format: 'uuid', nullable: true, type: String })
  actor_id: string | null;
  /**
   * The registration, appointment, dose, adverse event or certificate.
   * @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60
   */
  @ApiProperty({ format: 'uuid' })
  subject_id: string;
  /** @example "Daily verification" */
  reason: string | null;
}

/** Everything that is stored about a person for vaccination. The id number is masked. */
export class PersonalDataExportDto {
  exported_at: Date;
  registration: VaccinationRegistrationDto;
  appointments: ExportedAppointmentDto[];
  waitlist_entries: ExportedWaitlistEntryDto[];
  doses: ExportedDoseDto[];
  adverse_events: ExportedAdverseEventDto[];
  certificates: ExportedCertificateDto[];
  audit_events: ExportedAuditEventDto[];
}

/** What a request for deletion deleted. */
export class PersonalDataDeletionDto {
  /** What the law requires to be kept; empty if everything was deleted. */
  @ApiProperty({ example: ['doses'], type: [String] })
  kept: string[];
}

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
  /** @example 1 */
  dose: number;
  /** @example booked */
  status: string;
  created_at: Date;
}

/** A dose in an export. */
export class ExportedDoseDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example "Dhanmondi Community Centre" */
  centre: string;
  /** @example "Testvax" */
  vaccine: string;
  /** @example L-2041 */
  lot: string;
  /** @example 1 */
  dose: number;
  /** @example completed */
  status: string;
  given_at: Date;
  /** @example "left arm" */
  site: string;
  /** @example intramuscular */
  route: string;
  /** @example "The dose was recorded for another person." */
  error_reason: string | null;
}

/** A certificate in an export. */
export class ExportedCertificateDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example "URN:UVCI:01:BD:0199C2A46F007A119C550B1D2E3F4A60#M" */
  uvci: string;
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
  certificates: ExportedCertificateDto[];
  audit_events: ExportedAuditEventDto[];
}

/** What a request for deletion deleted. */
export class PersonalDataDeletionDto {
  /** What the law requires to be kept; empty if everything was deleted. */
  @ApiProperty({ example: ['doses'], type: [String] })
  kept: string[];
}

import { ApiProperty } from '@nestjs/swagger';
import { IsString, IsUUID, MaxLength } from 'class-validator';

/** The identity token of the caller, which the old front end sends in the body. */
export class VaccineTokenDto {
  /** @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl */
  @IsString()
  @MaxLength(8000)
  token: string;
}

/** A registration to approve. */
export class VaccineApprovalDto extends VaccineTokenDto {
  /**
   * The id of the registration.
   * @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60
   */
  @IsUUID()
  vaccination_id: string;
}

/** The response to a change. */
export class VaccineSuccessDto {
  /** @example true */
  success: boolean;
}

/** A registration in the format of the vaccine registration. */
export class OldVaccinationDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** The vaccine of the newest dose; before the first one, the default vaccine. */
  @ApiProperty({ format: 'uuid', nullable: true, type: String })
  vaccine_id: string | null;
  /** When the newest dose was given; before the first one, when the booked session starts. */
  vaccination_date: Date | null;
  /** @example false */
  verified: boolean;
  /**
   * Null until a dose is recorded.
   * @example "https://machi.example.org/api/vaccination/certificates/0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60.pdf"
   */
  certificate_url: string | null;
  created_at: Date;
}

import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsUUID } from 'class-validator';
import type { CertificateForm } from './formats/certificate-qr.js';
import type { CertificateContent } from './formats/certificate-content.js';
import type { Certificate } from './certificate.entity.js';
import { readHcert } from './formats/hcert.js';

/** A dose whose certificate is wanted. */
export class CreateCertificateDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @IsUUID()
  dose_id: string;
}

/** Query parameters of images of certificates. */
export class CertificateFileQueryDto {
  /** The EU Digital COVID Certificate, or the SMART Health Card. */
  @ApiProperty({ enum: ['hcert', 'shc'], required: false })
  @IsIn(['hcert', 'shc'])
  form: CertificateForm = 'hcert';
}

/** What a certificate states. */
export class StatedDto implements CertificateContent {
  /**
   * The unique vaccination certificate identifier.
   * @example URN:UVCI:01:BD:0199C2A46F007A119C550B1D2E3F4A5D#R
   */
  uvci: string;
  /** @example Uddin */
  family_name: string;
  /**
   * Empty for a name of one word.
   * @example "Md. Rahim"
   */
  given_names: string;
  /**
   * The name in the letters A to Z, as in the machine-readable zone of a passport.
   * @example UDDIN<<MD<RAHIM
   */
  latin_name: string;
  /** @example "1990-04-01" */
  date_of_birth: string;
  /**
   * SNOMED CT code.
   * @example "840539006"
   */
  disease: string;
  /** @example Comirnaty */
  product: string;
  /** @example "Biontech Manufacturing GmbH" */
  manufacturer: string;
  /** @example 1 */
  dose: number;
  /** @example 2 */
  doses: number;
  /** @example "2027-01-18" */
  given_on: string;
  /** @example BD */
  country: string;
  /** @example "Directorate General of Health Services" */
  issuer: string;
  issued_at: Date;
  expires_at: Date;
}

export const CERTIFICATE_STATUSES = ['valid', 'expired', 'revoked'] as const;

/** A certificate of the caller. */
export class CertificateDto extends StatedDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a61 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  dose_id: string;
  /** @example valid */
  @ApiProperty({ enum: CERTIFICATE_STATUSES })
  status: (typeof CERTIFICATE_STATUSES)[number];
  revoked_at: Date | null;
  /**
   * The text of the QR code of the EU Digital COVID Certificate.
   * @example "HC1:V7F-A0660T9WTWGSLKC 4S49W50W50W50B90FBBD-I*70"
   */
  hcert: string;
  /**
   * The text of the QR code of the SMART Health Card.
   * @example "shc:/567629595326546034602925407728043360287028647167452228"
   */
  shc: string;
}

/** A page of certificates. */
export class CertificatesPageDto {
  items: CertificateDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A certificate to verify. */
export class VerifyCertificateDto {
  /**
   * The text of a QR code, as a scanner reads it.
   * @example "HC1:V7F-A0660T9WTWGSLKC 4S49W50W50W50B90FBBD-I*70"
   */
  qr: string;
}

export const INVALID_REASONS = [
  'unreadable',
  'unknown_key',
  'bad_signature',
  'not_yet_valid',
  'expired',
  'revoked',
  'not_on_record',
] as const;
export type InvalidReason = (typeof INVALID_REASONS)[number];

/** The result of a verification. */
export class VerificationDto {
  /** @example true */
  valid: boolean;
  /**
   * Why it is not valid: it is no certificate or was damaged; signed by a key of others; changed or forged; not yet valid;
   * expired; revoked; signed by our key, but never issued. Null if it is valid.
   */
  @ApiProperty({ enum: INVALID_REASONS, nullable: true, type: String })
  reason: InvalidReason | null;
  /** What the certificate states; null if it is not valid. Compare the person with an identity document. */
  certificate: StatedDto | null;
}

/** What the certificate of a row states. */
export const toStatedDto = ({ hcert }: Certificate): StatedDto => readHcert(hcert)!.toContent();

/** A certificate as its owner sees it at a time. */
export function toCertificateDto(row: Certificate, now: Date): CertificateDto {
  const { id, dose_id, revoked_at, hcert, shc } = row;
  const status = revoked_at !== null ? 'revoked' : row.expires_at <= now ? 'expired' : 'valid';
  return { id, dose_id, status, ...toStatedDto(row), revoked_at, hcert, shc };
}

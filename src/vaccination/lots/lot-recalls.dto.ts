import { ApiProperty } from '@nestjs/swagger';
import { PageQueryDto } from '../../http/pagination.dto.js';
import type { Dose } from '../doses/dose.entity.js';
import { IsFreeText } from '../registrations/free-text.js';

/** Why a lot is recalled. The people who got it are told. */
export class RecallLotDto {
  /** @example "The cold chain was broken at the depot." */
  @IsFreeText(3, 300)
  reason: string;
}

/** Query parameters of the list of the people who got a lot. */
export class LotRecipientsQueryDto extends PageQueryDto {
  /**
   * Why the caller reads these records. It is written to the audit log.
   * @example "Calling the people who got the recalled lot"
   */
  @IsFreeText(3, 200)
  reason: string;
}

/** A dose of a recalled lot, and the person who got it. */
export class LotRecipientDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a62 */
  @ApiProperty({ format: 'uuid' })
  dose_id: string;
  /** @example 1 */
  dose: number;
  given_at: Date;
  /**
   * Where it was given.
   * @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c
   */
  @ApiProperty({ format: 'uuid' })
  centre_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  registration_id: string;
  /** @example "Hana Sato" */
  legal_name: string;
  /** @example "1990-04-01" */
  date_of_birth: string | null;
  /**
   * E.164; null if the person has deleted the account.
   * @example "+8801712345678"
   */
  phone: string | null;
}

/** A page of the people who got a lot. */
export class LotRecipientsPageDto {
  items: LotRecipientDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A dose with its registration loaded. */
export function toLotRecipientDto({ id, dose, given_at, centre_id, registration }: Dose): LotRecipientDto {
  const { id: registration_id, legal_name, date_of_birth, phone } = registration;
  return { dose_id: id, dose, given_at, centre_id, registration_id, legal_name, date_of_birth, phone };
}

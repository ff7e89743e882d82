import { ApiProperty, PartialType, PickType } from '@nestjs/swagger';
import { IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { InLowerCase, IsLine } from '../../http/validation.js';
import { IsDay } from '../days.js';
import type { Lot } from './lot.entity.js';

/** A lot that a centre received. */
export class CreateLotDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c */
  @InLowerCase()
  @IsUUID()
  centre_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @InLowerCase()
  @IsUUID()
  vaccine_id: string;
  /**
   * The number on the packaging.
   * @example FA4598
   */
  @IsLine(1, 40)
  number: string;
  /**
   * The last day on which it may be used.
   * @example "2027-03-31"
   */
  @IsDay()
  expires_on: string;
  /**
   * Doses.
   * @example 600
   */
  @IsInt()
  @Min(0)
  @Max(10_000_000)
  received: number;
}

/** Changes of a lot. `received` cannot be less than `used`. */
export class UpdateLotDto extends PartialType(PickType(CreateLotDto, ['expires_on', 'received'] as const), {
  skipNullProperties: false,
}) {}

/** Query parameters of the list of lots. */
export class LotsQueryDto extends PageQueryDto {
  /** Only lots of this centre. Without it the list has the lots of all centres where the caller works. */
  @IsOptional()
  @IsUUID()
  centre_id?: string;
  @IsOptional()
  @IsUUID()
  vaccine_id?: string;
}

/** The stock that a centre has of a lot. */
export class LotDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c */
  @ApiProperty({ format: 'uuid' })
  centre_id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @ApiProperty({ format: 'uuid' })
  vaccine_id: string;
  /** @example FA4598 */
  number: string;
  /** @example "2027-03-31" */
  expires_on: string;
  /** @example 600 */
  received: number;
  /** @example 12 */
  used: number;
  recalled_at: Date | null;
  /** @example A cold chain failure at the depot. */
  recall_reason: string | null;
  created_at: Date;
  updated_at: Date;
}

/** A page of lots. */
export class LotsPageDto {
  items: LotDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export const toLotDto = ({ centre: _centre, vaccine: _vaccine, ...lot }: Lot): LotDto => lot;

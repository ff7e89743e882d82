import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { InLowerCase, IsLine } from '../../http/validation.js';
import { RecallLotDto } from '../lots/lot-recalls.dto.js';
import type { Recall } from '../lots/recall.entity.js';

/** A lot to recall at all centres. The people who got it are told the reason. */
export class CreateRecallDto extends RecallLotDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @InLowerCase()
  @IsUUID()
  vaccine_id: string;
  /**
   * The number on the packaging, without regard to case.
   * @example FA4598
   */
  @IsLine(1, 40)
  number: string;
}

/** A lot that is recalled at all centres. */
export class RecallDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a65 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @ApiProperty({ format: 'uuid' })
  vaccine_id: string;
  /** @example FA4598 */
  number: string;
  /** @example "The cold chain was broken at the depot." */
  reason: string;
  created_at: Date;
}

/** A page of recalls. */
export class RecallsPageDto {
  items: RecallDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export const toRecallDto = ({ id, vaccine_id, number, reason, created_at }: Recall): RecallDto => ({
  id,
  vaccine_id,
  number,
  reason,
  created_at,
});

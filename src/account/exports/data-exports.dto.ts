import { ApiProperty } from '@nestjs/swagger';
import { IsString, MaxLength } from 'class-validator';
import { IsOptionalNotNull } from '../../http/validation.js';
import { DATA_EXPORT_STATES, type DataExport, type DataExportState } from './data-export.entity.js';

/** A request for a copy of one's own data. */
export class CreateDataExportDto {
  /**
   * Required of users who have a password. Users without one must have signed in within the last ten minutes.
   * @example "cloudy harbour seven"
   */
  @IsOptionalNotNull()
  @IsString()
  @MaxLength(1000)
  current_password?: string;
}

/** A copy of one's own data, and how far it is. */
export class DataExportDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** `pending`: it is being made. `ready`: the file can be downloaded. `failed`: request it again. */
  @ApiProperty({ enum: DATA_EXPORT_STATES, example: 'pending' })
  state: DataExportState;
  /**
   * Parts that are done.
   * @example 3
   */
  done: number;
  /**
   * Parts in all.
   * @example 10
   */
  total: number;
  /**
   * The size of the file in bytes; null until it is ready.
   * @example 48213
   */
  @ApiProperty({ type: 'integer', nullable: true })
  size: number | null;
  /**
   * The code of the problem, if it failed.
   * @example storage_unavailable
   */
  problem: string | null;
  created_at: Date;
  finished_at: Date | null;
  /** When the file is deleted. */
  expires_at: Date;
}

export const toDataExportDto = ({ size, ...row }: DataExport): DataExportDto => ({
  id: row.id,
  state: row.state,
  done: row.done,
  total: row.total,
  size: size === null ? null : Number(size),
  problem: row.problem,
  created_at: row.created_at,
  finished_at: row.finished_at,
  expires_at: row.expires_at,
});

import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsUUID } from 'class-validator';
import { IsQueryBoolean } from '../../http/pagination.dto.js';
import { IsLine } from '../../http/validation.js';
import { ROW_ERROR_CODES, type RowError, type RowErrorCode } from './row-error.js';

/** Query parameters of imports. */
export class ImportQueryDto {
  /** `true` checks the table and says what an import would do, without changing anything. */
  @IsQueryBoolean()
  dry_run: boolean = false;
}

/** Why a row cannot be imported. */
export class ImportErrorDto {
  /**
   * The number of the row in the spreadsheet: the header is row 1.
   * @example 14
   */
  row: number;
  /**
   * The column of the cell; null if the error is not about one cell.
   * @example vaccine
   */
  column: string | null;
  /** @example vaccine_not_found */
  @ApiProperty({ enum: ROW_ERROR_CODES })
  code: RowErrorCode;
  /** @example "There is no vaccine with this code." */
  detail: string;
}

/** What an import did, or would do. */
export class ImportReportDto {
  /** @example true */
  dry_run: boolean;
  /**
   * Rows without the header and empty ones.
   * @example 120
   */
  rows: number;
  /** @example 100 */
  created: number;
  /** @example 15 */
  updated: number;
  /**
   * Rows that are stored already and do not change.
   * @example 5
   */
  unchanged: number;
  /** One for each row that cannot be imported. Only a dry run answers 200 with errors. */
  errors: ImportErrorDto[];
}

export const toImportErrorDto = ({ row, column, code, message }: RowError): ImportErrorDto => ({
  row: row ?? 1,
  column,
  code,
  detail: message,
});

/** Which rows are exported; without a filter, all. */
export class ExportQueryDto {
  /** The id of a centre. */
  @IsOptional()
  @IsUUID()
  centre?: string;
  /** @example "Dhaka" */
  @IsOptional()
  @IsLine(1, 80)
  district?: string;
}

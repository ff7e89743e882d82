/** Why a row, or the header, cannot be imported. */
export const ROW_ERROR_CODES = [
  'wrong_encoding',
  'empty_file',
  'too_many_rows',
  'unknown_column',
  'duplicate_column',
  'missing_column',
  'malformed_row',
  'wrong_cell_count',
  'invalid_text',
  'invalid_value',
  'duplicate_row',
  'centre_not_found',
  'vaccine_not_found',
  'user_not_found',
  'lot_overdrawn',
  'lot_recalled',
  'session_not_changeable',
  'capacity_below_bookings',
  'several_sessions',
] as const;
export type RowErrorCode = (typeof ROW_ERROR_CODES)[number];

/** What is wrong with a row. The detail does not repeat the content of the cell. */
export class RowError extends Error {
  constructor(
    readonly code: RowErrorCode,
    detail: string,
    readonly column: string | null = null,
    readonly row: number | null = null,
  ) {
    super(detail);
  }

  /** The same error, of this row. */
  at(row: number): RowError {
    return new RowError(this.code, this.message, this.column, row);
  }
}

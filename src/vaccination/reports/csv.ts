import { stringify } from 'csv-stringify/sync';

/**
 * A table as CSV (RFC 4180) with a header, in UTF-8 with a byte order mark, which Excel needs. Texts that a spreadsheet would run
 * as a formula get an apostrophe (OWASP, CSV injection).
 */
export const toCsv = (columns: string[], rows: object[]): string =>
  stringify(rows, {
    columns,
    header: true,
    bom: true,
    record_delimiter: 'windows',
    escape_formulas: true,
    cast: { date: (date) => date.toISOString(), object: (value) => (Array.isArray(value) ? value.join(' ') : '') },
  });

import { stringify } from 'csv-stringify/sync';

/** A text that starts like one that got an apostrophe. It gets one more, so that the import reads every text back as it was. */
const LIKE_ESCAPED = /^'+[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

/** The text of a cell that `toCsv` wrote. */
export const fromCsvCell = (cell: string): string => (LIKE_ESCAPED.test(cell) ? cell.slice(1) : cell);

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
    cast: {
      string: (text) => (LIKE_ESCAPED.test(text) ? `'${text}` : text),
      date: (date) => date.toISOString(),
      object: (value) => (Array.isArray(value) ? value.join(' ') : ''),
    },
  });

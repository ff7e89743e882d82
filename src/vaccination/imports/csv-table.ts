import { parse } from 'csv-parse';
import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { isStorable } from '../../http/bodies/body-shape.js';
import { fromCsvCell } from '../reports/csv.js';
import { RowError } from './row-error.js';

/** The rows of a table, without its header. */
export const MAX_ROWS = 5_000;

/** Other requests are served between the chunks. */
const CHUNK_BYTES = 64 * 1024;

/** The columns of a table: whether each must be there. */
export type Columns = Record<string, 'required' | 'optional'>;

/** A row with its number in the spreadsheet, where the header is row 1. */
export interface TableRow {
  row: number;
  /** The texts by their columns, trimmed. Optional columns that are missing or empty are left out. */
  cells: Record<string, string>;
}

/** A table that was read. It stops at the first error that leaves the rest unreadable. */
export interface Table {
  rows: TableRow[];
  errors: RowError[];
}

interface ParsedRecord {
  record: string[];
  info: { records: number; empty_lines: number };
}

/**
 * Reads a table in CSV (RFC 4180) with a header: UTF-8 with or without a byte order mark, any line ends, columns in any order.
 * Empty rows are skipped. Each row has one error at most.
 */
export async function readTable(bytes: Buffer, columns: Columns): Promise<Table> {
  const table: Table = { rows: [], errors: [] };
  if (!isUtf8(bytes)) {
    table.errors.push(new RowError('wrong_encoding', 'Save the file as CSV in UTF-8.', null, 1));
    return table;
  }
  let header: string[] | undefined;
  let lastRow = 0;
  const malformed: { row?: number } = {};
  try {
    for await (const { record, info } of parseRecords(bytes, malformed)) {
      lastRow = info.records + info.empty_lines;
      if (malformed.row !== undefined && lastRow >= malformed.row) break;
      if (!header) header = readHeader(record, columns);
      else if (table.rows.length + table.errors.length === MAX_ROWS) {
        throw new RowError('too_many_rows', `A file has at most ${MAX_ROWS} rows; split it into several files.`);
      } else if (record.some((cell) => cell.trim() !== '')) addRow(table, lastRow, header, record, columns);
    }
    if (malformed.row !== undefined) throw new RowError('malformed_row', MALFORMED, null, malformed.row);
    if (!header) throw new RowError('empty_file', 'The file is empty; its first row names the columns.', null, 1);
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    table.errors.push(error.row === null ? error.at(lastRow) : error);
  }
  return table;
}

const MALFORMED =
  'A quotation mark is wrong: quote whole cells, and double the quotation marks in them. The rows below are not read.';

/** Sets `malformed.row` at the first record that cannot be parsed. The parser does not find the end of such a record. */
async function* parseRecords(bytes: Buffer, malformed: { row?: number }): AsyncGenerator<ParsedRecord> {
  const parser = parse({
    bom: true,
    info: true,
    skip_empty_lines: true,
    relax_column_count: true,
    record_delimiter: ['\r\n', '\n', '\r'],
    skip_records_with_error: true,
    on_skip: (error) => {
      const { records, empty_lines } = error as unknown as ParsedRecord['info'];
      malformed.row ??= records + empty_lines + 1;
      return undefined;
    },
  });
  yield* Readable.from(chunksOf(bytes)).compose(parser) as AsyncIterable<ParsedRecord>;
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) yield bytes.subarray(start, start + CHUNK_BYTES);
}

/** The names of the columns in the order of the file. Throws a RowError. */
function readHeader(record: string[], columns: Columns): string[] {
  const header = record.map((name) => name.trim().toLowerCase());
  for (const [index, name] of header.entries()) {
    if (!Object.hasOwn(columns, name)) {
      const detail = `Column ${index + 1} has an unknown name. The columns are ${Object.keys(columns).join(', ')}.`;
      throw new RowError('unknown_column', detail, null, 1);
    }
    if (header.indexOf(name) < index) throw new RowError('duplicate_column', 'Two columns have this name.', name, 1);
  }
  const missing = Object.keys(columns).find((name) => columns[name] === 'required' && !header.includes(name));
  if (missing !== undefined) throw new RowError('missing_column', 'This column is missing.', missing, 1);
  return header;
}

function addRow({ rows, errors }: Table, row: number, header: string[], record: string[], columns: Columns): void {
  if (record.length !== header.length) {
    const detail = `The row has ${record.length} cells, the header has ${header.length}.`;
    errors.push(new RowError('wrong_cell_count', detail, null, row));
    return;
  }
  const invalid = record.findIndex((cell) => !isStorable(cell));
  if (invalid >= 0) {
    errors.push(new RowError('invalid_text', 'The cell contains a NUL character.', header[invalid], row));
    return;
  }
  const cells = header.map((name, index) => [name, fromCsvCell(record[index]!.trim())] as const);
  const present = cells.filter(([name, cell]) => cell !== '' || columns[name] === 'required');
  rows.push({ row, cells: Object.fromEntries(present) });
}

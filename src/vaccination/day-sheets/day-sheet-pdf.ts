import { DateTime } from 'luxon';
import { setImmediate } from 'node:timers/promises';
import { createPdf, type Pdf, write } from '../pdf.js';
import type { DaySheetDto, DaySheetRowDto } from './day-sheets.dto.js';

const MARGIN = 36;
const PADDING = 3;
const FOOTER = 22;
const GREY = '#555555';
const FONT_SIZE = 9;
/** Other requests get their turn after so many rows. */
const ROWS_AT_ONCE = 20;

interface Column {
  title: string;
  width: number;
  textOf: (row: DaySheetRowDto, timeOf: (time: Date) => string) => string;
}

/** 770 points, the width of A4 in landscape format without the margins. */
const COLUMNS: Column[] = [
  { title: '', width: 30, textOf: ({ number }) => String(number) },
  { title: 'Name · নাম', width: 210, textOf: ({ legal_name }) => legal_name },
  { title: 'Born · জন্ম তারিখ', width: 80, textOf: ({ date_of_birth }) => date_of_birth ?? '' },
  { title: 'Id · পরিচয়পত্র', width: 95, textOf: ({ id_type, id_number }) => `${ID_NAMES[id_type]} ${id_number}` },
  { title: 'Dose · ডোজ', width: 55, textOf: ({ dose }) => String(dose) },
  { title: 'Status · অবস্থা', width: 100, textOf: statusOf },
  { title: 'Lot · লট', width: 90, textOf: ({ lot_number }) => lot_number ?? '' },
  { title: 'Signature · স্বাক্ষর', width: 110, textOf: () => '' },
];

const ID_NAMES = { NID: 'NID', BIRTH_REG: 'Birth', PASSPORT: 'Passp.' };

function statusOf(row: DaySheetRowDto, timeOf: (time: Date) => string): string {
  const { status, is_walk_in, given_at, checked_in_at } = row;
  const origin = is_walk_in ? ' · walk-in' : '';
  if (given_at) return `given ${timeOf(given_at)}${origin}`;
  if (status === 'checked_in' && checked_in_at) return `here ${timeOf(checked_in_at)}${origin}`;
  return `${status === 'no_show' ? 'did not come' : status.replace('_', ' ')}${origin}`;
}

/** A day sheet as a PDF of A4 pages in landscape format; times are those of the centre. */
export async function toDaySheetPdf(sheet: DaySheetDto): Promise<Buffer> {
  const zone = sheet.session.centre.time_zone;
  const timeOf = (time: Date): string => DateTime.fromJSDate(time, { zone }).toFormat('HH:mm');
  const { pdf, bytes } = await createPdf({
    layout: 'landscape',
    margin: MARGIN,
    info: { Title: 'Day sheet', CreationDate: sheet.as_of },
  });
  let pages = 1;
  drawPageNumber(pdf, pages);
  pdf.on('pageAdded', () => {
    drawPageNumber(pdf, ++pages);
    drawHeader(pdf);
  });
  drawHeading(pdf, sheet, zone);
  drawHeader(pdf);
  for (const [index, row] of sheet.items.entries()) {
    drawRow(
      pdf,
      COLUMNS.map(({ textOf }) => textOf(row, timeOf)),
    );
    if (index % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) await setImmediate();
  }
  pdf.end();
  return bytes;
}

function drawHeading(pdf: Pdf, { session, as_of, part, parts, total }: DaySheetDto, zone: string): void {
  const at = (time: Date, format: string): string => DateTime.fromJSDate(time, { zone }).toFormat(format);
  const times = `${at(session.starts_at, 'yyyy-MM-dd HH:mm')} – ${at(session.ends_at, 'HH:mm')}`;
  pdf.font('bold').fontSize(15).fillColor('black');
  write(pdf, `Day sheet · দৈনিক তালিকা: ${session.centre.name}`, MARGIN, pdf.y);
  pdf.font('regular').fontSize(10);
  write(pdf, `${session.vaccine.name} · ${times} · ${total} people · part ${part} of ${parts}`, MARGIN, pdf.y + 2);
  pdf.fillColor(GREY);
  const notice = `Confidential: for the staff of the centre. As of ${at(as_of, 'yyyy-MM-dd HH:mm')}, ${zone}.`;
  write(pdf, notice, MARGIN, pdf.y + 2);
  pdf.y += 8;
}

function drawHeader(pdf: Pdf): void {
  pdf.font('bold').fillColor('black');
  drawCells(
    pdf,
    COLUMNS.map(({ title }) => title),
  );
  pdf.font('regular');
}

/** Rows are never split: one that does not fit starts a new page, which has the header again. */
function drawRow(pdf: Pdf, texts: string[]): void {
  if (pdf.y + heightOf(pdf, texts) > pdf.page.height - MARGIN - FOOTER) {
    pdf.addPage();
  }
  drawCells(pdf, texts);
}

function heightOf(pdf: Pdf, texts: string[]): number {
  pdf.fontSize(FONT_SIZE);
  const heights = texts.map((text, index) => pdf.heightOfString(text || ' ', { width: widthOf(index) }));
  return Math.max(...heights) + 2 * PADDING;
}

const widthOf = (column: number): number => COLUMNS[column]!.width - 2 * PADDING;

function drawCells(pdf: Pdf, texts: string[]): void {
  const top = pdf.y;
  const height = heightOf(pdf, texts);
  let left = MARGIN;
  for (const [index, text] of texts.entries()) {
    pdf.rect(left, top, COLUMNS[index]!.width, height).lineWidth(0.5).stroke('#bbbbbb');
    if (text !== '') write(pdf, text, left + PADDING, top + PADDING, widthOf(index));
    left += COLUMNS[index]!.width;
  }
  pdf.y = top + height;
}

/** PDFKit writes a page when the next one is added, so that the number of all pages is not known here. */
function drawPageNumber(pdf: Pdf, number: number): void {
  const { x, y } = pdf;
  const { bottom } = pdf.page.margins;
  pdf.page.margins.bottom = 0; // a text below the margin would start another page
  pdf.font('regular').fontSize(FONT_SIZE).fillColor(GREY);
  write(pdf, `page ${number}`, pdf.page.width - MARGIN - 60, pdf.page.height - MARGIN);
  pdf.page.margins.bottom = bottom;
  [pdf.x, pdf.y] = [x, y];
}

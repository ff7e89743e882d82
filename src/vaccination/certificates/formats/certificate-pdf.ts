import { createPdf, type Pdf, PDF_MARGIN as MARGIN, write } from '../../pdf.js';
import type { CertificateContent } from './certificate-content.js';
import { type CertificateForm, toModules } from './certificate-qr.js';
import { COVID_19 } from './value-sets.js';

const VALUE_LEFT = 240;
const QR_SIZE = 215;
/** Ink on paper; lighter grey for what is not data. */
const GREY = '#555555';

/** A certificate as a PDF of one A4 page, in English and Bengali, with both QR codes. */
export async function toPdf(content: CertificateContent, codes: Record<CertificateForm, string>): Promise<Buffer> {
  const { pdf, bytes } = await createPdf({
    info: { Title: 'Vaccination certificate', Subject: content.uvci, CreationDate: content.issued_at },
  });
  pdf.font('bold').fontSize(20);
  write(pdf, 'Vaccination certificate · টিকা সনদ', MARGIN, pdf.y);
  pdf.moveDown(0.8);
  for (const [label, value] of rowsOf(content)) writeRow(pdf, label, value);
  drawCodes(pdf, codes);
  pdf.end();
  return bytes;
}

function rowsOf(content: CertificateContent): [label: string, value: string][] {
  const { disease, dose, doses, country } = content;
  return [
    ['Name · নাম', `${content.given_names} ${content.family_name}`.trim()],
    ['Name in a passport · পাসপোর্টে নাম', content.latin_name],
    ['Date of birth · জন্ম তারিখ', dayOf(content.date_of_birth)],
    ['Disease · রোগ', disease === COVID_19 ? 'COVID-19 · কোভিড-১৯' : `SNOMED CT ${disease}`],
    ['Vaccine · টিকা', content.product],
    ['Manufacturer · প্রস্তুতকারক', content.manufacturer],
    ['Dose · ডোজ', `${dose} of ${doses} · ${inBengali(doses)}টির মধ্যে ${inBengali(dose)} নম্বর`],
    ['Date of vaccination · টিকা প্রদানের তারিখ', dayOf(content.given_on)],
    ['Country · দেশ', `${countryIn('en', country)} · ${countryIn('bn', country)}`],
    ['Issuer · প্রদানকারী', content.issuer],
    ['Identifier · শনাক্তকারী', content.uvci],
    ['Valid until · মেয়াদ', dayOf(content.expires_at.toISOString().slice(0, 10))],
  ];
}

const inBengali = (count: number): string => new Intl.NumberFormat('bn-BD').format(count);

const countryIn = (language: string, country: string): string =>
  new Intl.DisplayNames([language], { type: 'region' }).of(country) ?? country;

/** A day in ISO 8601, which is read alike everywhere, and in Bengali. */
function dayOf(day: string): string {
  if (day === '') return '';
  const format = new Intl.DateTimeFormat('bn-BD', { dateStyle: 'long', timeZone: 'UTC', calendar: 'gregory' });
  return `${day} · ${format.format(new Date(`${day}T00:00:00Z`))}`;
}

function writeRow(pdf: Pdf, label: string, value: string): void {
  const top = pdf.y;
  pdf.font('regular').fontSize(9).fillColor(GREY);
  write(pdf, label, MARGIN, top + 2, VALUE_LEFT - MARGIN - 10);
  const afterLabel = pdf.y;
  pdf.font('bold').fontSize(10).fillColor('black');
  write(pdf, value, VALUE_LEFT, top, pdf.page.width - VALUE_LEFT - MARGIN);
  pdf.y = Math.max(afterLabel, pdf.y) + 4;
}

function drawCodes(pdf: Pdf, codes: Record<CertificateForm, string>): void {
  const top = pdf.page.height - MARGIN - QR_SIZE - 60;
  const right = pdf.page.width - MARGIN - QR_SIZE;
  drawCode(pdf, 'EU Digital COVID Certificate (HC1)', toModules('hcert', codes.hcert), MARGIN, top);
  drawCode(pdf, 'SMART Health Card', toModules('shc', codes.shc), right, top);
  pdf.font('regular').fontSize(9).fillColor('black');
  const note =
    'Valid together with an identity document. The QR codes can be verified without a connection. · ' +
    'পরিচয়পত্রের সঙ্গে বৈধ। ইন্টারনেট সংযোগ ছাড়াই কিউআর কোড যাচাই করা যায়।';
  write(pdf, note, MARGIN, top + QR_SIZE + 14, pdf.page.width - 2 * MARGIN);
}

function drawCode(pdf: Pdf, title: string, modules: boolean[][], left: number, top: number): void {
  pdf.font('regular').fontSize(9).fillColor(GREY);
  write(pdf, title, left, top - 16, QR_SIZE);
  const size = QR_SIZE / modules.length;
  for (const [row, cells] of modules.entries()) {
    const runs = cells
      .map((isDark) => (isDark ? '1' : '0'))
      .join('')
      .matchAll(/1+/g);
    for (const { index, 0: run } of runs) pdf.rect(left + index * size, top + row * size, run.length * size, size);
  }
  pdf.fill('black');
}

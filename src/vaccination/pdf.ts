import Pdfkit from 'pdfkit';
import { loadPdfFont } from './pdf-font.js';

export type Pdf = InstanceType<typeof Pdfkit>;

export const PDF_MARGIN = 56;

/**
 * A PDF of A4 pages with the fonts `regular` and `bold`, and its bytes once it is ended. Import this module when a PDF is
 * made: PDFKit takes 30 MB.
 */
export async function createPdf(
  options: ConstructorParameters<typeof Pdfkit>[0],
): Promise<{ pdf: Pdf; bytes: Promise<Buffer> }> {
  const [regular, bold] = await Promise.all([loadPdfFont('regular'), loadPdfFont('bold')]);
  const pdf = new Pdfkit({
    size: 'A4',
    margin: PDF_MARGIN,
    lang: 'en',
    font: regular as never, // the types lack that PDFKit takes the fonts of fontkit
    ...options,
  });
  pdf.registerFont('regular', regular as never);
  pdf.registerFont('bold', bold as never);
  return { pdf, bytes: collect(pdf) };
}

function collect(pdf: Pdf): Promise<Buffer> {
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    pdf.on('data', (chunk: Buffer) => chunks.push(chunk));
    pdf.on('end', () => resolve(Buffer.concat(chunks)));
    pdf.on('error', reject);
  });
}

/** Writes a text so that readers who copy it get its characters, whatever the glyphs are. */
export function write(pdf: Pdf, text: string, left: number, top: number, width?: number): void {
  pdf.markContent('Span', { actual: text });
  pdf.text(text, left, top, width === undefined ? {} : { width });
  pdf.endMarkedContent();
}

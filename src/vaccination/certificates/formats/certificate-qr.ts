import QRCode, { type QRCodeSegment } from 'qrcode';

/** 25 % of the symbol may be lost, as the DCC specification recommends; a SMART Health Card is larger and gets 7 %. */
const CORRECTION = { hcert: 'Q', shc: 'L' } as const;
const QUIET_ZONE = 4;

export type CertificateForm = keyof typeof CORRECTION;

/** The densest segments: HC1 is alphanumeric, a SMART Health Card has digits after `shc:/`. */
function segmentsOf(form: CertificateForm, text: string): QRCodeSegment[] {
  if (form === 'hcert') return [{ mode: 'alphanumeric', data: text }];
  const start = 'shc:/'.length;
  return [
    { mode: 'byte', data: Buffer.from(text.slice(0, start)) },
    { mode: 'numeric', data: text.slice(start) },
  ];
}

/** The modules of a QR code, row by row; true is dark. Without the quiet zone. */
export function toModules(form: CertificateForm, text: string): boolean[][] {
  const { modules } = QRCode.create(segmentsOf(form, text), { errorCorrectionLevel: CORRECTION[form] });
  return Array.from({ length: modules.size }, (_, row) =>
    Array.from({ length: modules.size }, (__, column) => modules.get(row, column) === 1),
  );
}

/** A QR code as PNG, six pixels per module. */
export const toPng = (form: CertificateForm, text: string): Promise<Buffer> =>
  QRCode.toBuffer(segmentsOf(form, text), {
    errorCorrectionLevel: CORRECTION[form],
    margin: QUIET_ZONE,
    scale: 6,
  });

/** A QR code as SVG. */
export const toSvg = async (form: CertificateForm, text: string): Promise<Buffer> =>
  Buffer.from(
    await QRCode.toString(segmentsOf(form, text), {
      type: 'svg',
      errorCorrectionLevel: CORRECTION[form],
      margin: QUIET_ZONE,
    }),
  );

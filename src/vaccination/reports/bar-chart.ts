import { validationFailed } from '../../http/problems/problem.js';

/** One bar. */
export interface Bar {
  label: string;
  value: number;
}

interface Chart {
  title: string;
  bars: Bar[];
  /** How a value is written behind its bar. */
  format?: (value: number) => string;
}

const MAX_BARS = 400;
const ROW = 24;
const LABEL_WIDTH = 260;
const BAR_WIDTH = 480;
const WIDTH = LABEL_WIDTH + BAR_WIDTH + 100;
const HEADER = 48;
/** Characters of a label that fit. */
const MAX_LABEL = 36;

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!);

const shorten = (label: string): string => {
  const characters = [...label];
  return characters.length <= MAX_LABEL ? label : `${characters.slice(0, MAX_LABEL - 1).join('')}…`;
};

/** A chart of horizontal bars as SVG, without script, style sheet and outside references. Throws `validation_failed`. */
export function barChart({ title, bars, format = String }: Chart): string {
  if (bars.length > MAX_BARS) {
    throw validationFailed([{ path: 'by', message: `a chart has at most ${MAX_BARS} bars: choose fewer groups` }]);
  }
  const largest = Math.max(1e-9, ...bars.map(({ value }) => value));
  const height = HEADER + ROW * Math.max(1, bars.length) + 16;
  const rows = bars.map(({ label, value }, index) => {
    const y = HEADER + ROW * index;
    const width = Math.round((BAR_WIDTH * value * 10) / largest) / 10;
    return (
      `<g><title>${escape(label)}: ${escape(format(value))}</title>` +
      `<text x="${LABEL_WIDTH - 8}" y="${y + 15}" text-anchor="end">${escape(shorten(label))}</text>` +
      `<rect x="${LABEL_WIDTH}" y="${y + 2}" width="${width}" height="${ROW - 6}" fill="#3b6ea5"/>` +
      `<text x="${LABEL_WIDTH + width + 6}" y="${y + 15}">${escape(format(value))}</text></g>`
    );
  });
  const empty = `<text x="16" y="${HEADER + 15}">No data</text>`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" ` +
    `font-family="sans-serif" font-size="12"><title>${escape(title)}</title>` +
    `<rect width="100%" height="100%" fill="#fff"/><text x="16" y="28" font-size="16">${escape(title)}</text>` +
    `${bars.length === 0 ? empty : rows.join('')}</svg>\n`
  );
}

// A bar chart of the ratios in bench/results.json, as SVG.

const [WIDTH, NAMES, ROW, MARGIN] = [1000, 480, 26, 24];
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50];
/** The logarithmic scale ends here, at both sides. */
const [LEAST, MOST] = [0.05, 50];
const MIDDLE = NAMES + ((WIDTH - NAMES - 2 * MARGIN) * Math.log(1 / LEAST)) / Math.log(MOST / LEAST);

const xOf = (ratio) => {
  const bounded = Math.min(MOST, Math.max(LEAST, ratio));
  return NAMES + ((WIDTH - NAMES - 2 * MARGIN) * Math.log(bounded / LEAST)) / Math.log(MOST / LEAST);
};

/**
 * One bar per comparison, from 1 (as fast as the baseline) to the ratio; a line shows the spread. To the right is better: of
 * values of which less is better, the inverse is drawn.
 */
export function toChart({ machine, date, rows }) {
  const compared = rows.filter(({ ratio }) => ratio !== null);
  const height = (compared.length + 3) * ROW + MARGIN;
  const ticks = TICKS.map(
    (tick) =>
      `<line x1="${at(xOf(tick))}" x2="${at(xOf(tick))}" y1="${2 * ROW}" y2="${height - MARGIN}" stroke="${tick === 1 ? '#444' : '#ddd'}"/>` +
      `<text x="${at(xOf(tick))}" y="${2 * ROW - 6}" text-anchor="middle" fill="#666">${tick}</text>`,
  );
  const bars = compared.map((row, i) => toBar(row, (i + 2) * ROW + 4));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${MARGIN}" y="20" font-size="14">Results relative to each baseline (1: equal; to the right: better)</text>
<text x="${WIDTH - MARGIN}" y="20" text-anchor="end" fill="#666">${escaped(`${machine}, ${date.slice(0, 10)}`)}</text>
${[...ticks, ...bars].join('\n')}
</svg>
`;
}

function toBar({ scenario, name, baseline, ratio, spread, isLowerBetter }, y) {
  const direct = (value) => (isLowerBetter ? 1 / value : value);
  const [start, end] = [MIDDLE, xOf(direct(ratio))].toSorted((a, b) => a - b);
  const [low, high] = spread.map((value) => xOf(direct(value))).toSorted((a, b) => a - b);
  const color = name.startsWith('Machi') ? '#2a6f97' : '#b0b0b0';
  const label = `${scenario}: ${name} / ${baseline}`;
  return `<text x="${NAMES - 8}" y="${y + 13}" text-anchor="end">${escaped(shortened(label))}</text>
<rect x="${at(start)}" y="${y}" width="${at(Math.max(1, end - start))}" height="16" fill="${color}"/>
<line x1="${at(low)}" x2="${at(high)}" y1="${y + 8}" y2="${y + 8}" stroke="#000"/>
<text x="${at(Math.max(end, high) + 6)}" y="${y + 13}">${ratio}</text>`;
}

const at = (coordinate) => coordinate.toFixed(1);
const shortened = (text) => (text.length > 70 ? `${text.slice(0, 69)}…` : text);
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

// Charts as SVG: bars of the ratios in bench/results.json, and lines of the bench of growth.

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

const [PLOT_LEFT, PLOT_TOP, PLOT_WIDTH, PLOT_HEIGHT] = [70, 50, 560, 420];
const COLORS = [
  '#2a6f97',
  '#d1495b',
  '#66a182',
  '#edae49',
  '#8d5a97',
  '#3d405b',
  '#00798c',
  '#b56576',
  '#7f7f7f',
  '#bc6c25',
  '#588157',
];

/** A line per operation: its median time in ms by the number of rows, both on logarithmic scales. */
export function toGrowthChart(sizes, scenarios) {
  const times = scenarios.flatMap(({ rows }) => rows.map(({ p50 }) => p50));
  const [low, high] = [Math.floor(Math.log10(Math.min(...times))), Math.ceil(Math.log10(Math.max(...times)))];
  const [first, last] = [sizes[0], sizes.at(-1)].map(Math.log10);
  const x = (size) => PLOT_LEFT + (PLOT_WIDTH * (Math.log10(size) - first)) / (last - first);
  const y = (ms) => PLOT_TOP + (PLOT_HEIGHT * (high - Math.log10(ms))) / (high - low);
  const powers = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const grid = [
    ...powers.map(
      (ms) =>
        `<line x1="${PLOT_LEFT}" x2="${PLOT_LEFT + PLOT_WIDTH}" y1="${at(y(ms))}" y2="${at(y(ms))}" stroke="#ddd"/>` +
        `<text x="${PLOT_LEFT - 8}" y="${at(y(ms) + 4)}" text-anchor="end" fill="#666">${ms} ms</text>`,
    ),
    ...sizes.map(
      (size) =>
        `<line x1="${at(x(size))}" x2="${at(x(size))}" y1="${PLOT_TOP}" y2="${PLOT_TOP + PLOT_HEIGHT}" stroke="#ddd"/>` +
        `<text x="${at(x(size))}" y="${PLOT_TOP + PLOT_HEIGHT + 18}" text-anchor="middle" fill="#666">${size.toLocaleString('en')}</text>`,
    ),
  ];
  const lines = scenarios.map(({ scenario, rows }, i) => {
    const points = rows.map(({ p50 }, j) => `${at(x(sizes[j]))},${at(y(p50))}`).join(' ');
    const legend = PLOT_TOP + 20 + i * 26;
    return (
      `<polyline points="${points}" fill="none" stroke="${COLORS[i]}" stroke-width="2"/>` +
      `<line x1="660" x2="684" y1="${legend}" y2="${legend}" stroke="${COLORS[i]}" stroke-width="3"/>` +
      `<text x="692" y="${legend + 4}">${escaped(scenario)}</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${PLOT_TOP + PLOT_HEIGHT + 40}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${MARGIN}" y="24" font-size="14">Median time of an operation by the number of users, messages, chapters, appointments …</text>
${[...grid, ...lines].join('\n')}
</svg>
`;
}

const at = (coordinate) => coordinate.toFixed(1);
const shortened = (text) => (text.length > 70 ? `${text.slice(0, 69)}…` : text);
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

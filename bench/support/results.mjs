// Rows of results: made from rounds, and printed as a table.
import { median } from './harness.mjs';

/**
 * One row per series `{ name, rounds }`; a round has `rate` (the value that is compared) and, where measured, `p50` and `p99`
 * in ms, `cpu` in µs per operation, that of PostgreSQL as `pgCpu`, and `rss` in MiB. `ratio` is the median of the ratios of
 * paired rounds to the baseline, which is the last series; `lead` is the ratio of the first series, Machi, to this one.
 */
export function toRows(scenario, series, { unit = 'requests/s', isLowerBetter = false } = {}) {
  const baseline = series.at(-1);
  return series.map(({ name, rounds }) => {
    const of = (figure) => {
      const values = rounds.map((round) => round[figure]).filter((value) => Number.isFinite(value));
      return values.length > 0 ? rounded(median(values)) : null;
    };
    const isBaseline = name === baseline.name;
    const ratios = isBaseline ? [] : rounds.map(({ rate }, i) => rate / baseline.rounds[i].rate);
    const leads = name === series[0].name ? [] : rounds.map(({ rate }, i) => series[0].rounds[i].rate / rate);
    return {
      scenario,
      name,
      baseline: isBaseline ? null : baseline.name,
      isBaseline: isBaseline && series.length > 1,
      ratio: ratios.length > 0 ? rounded(median(ratios)) : null,
      spread: ratios.length > 0 ? [rounded(Math.min(...ratios)), rounded(Math.max(...ratios))] : null,
      lead: leads.length > 0 ? rounded(median(leads)) : null,
      value: of('rate'),
      unit,
      isLowerBetter,
      p50: of('p50'),
      p99: of('p99'),
      cpu: of('cpu'),
      pgCpu: of('pgCpu'),
      memory: of('rss'),
    };
  });
}

/** Three significant digits. */
const rounded = (value) => (value >= 1000 ? Math.round(value) : Number(value.toPrecision(3)));

const COLUMNS = {
  Scenario: ({ scenario }) => scenario,
  Server: ({ name }) => name,
  Result: ({ value, unit }) => `${value} ${unit}`,
  'Ratio (spread)': ({ ratio, spread, baseline, isBaseline }) => {
    if (ratio === null) return isBaseline ? 'baseline' : '';
    return `${ratio} (${spread.join('–')}) of ${baseline}`;
  },
  'Machi is': ({ lead, isLowerBetter }) =>
    lead === null ? '' : `${lead} ×${isLowerBetter ? ' (less is better)' : ''}`,
  'p50 / p99 ms': ({ p50, p99 }) => (p50 === null && p99 === null ? '' : `${p50 ?? '–'} / ${p99 ?? '–'}`),
  'CPU µs': ({ cpu, pgCpu }) => (cpu === null ? '' : `${cpu}${pgCpu === null ? '' : ` + ${pgCpu}`}`),
  MiB: ({ memory }) => memory ?? '',
};

/** The rows as lines of columns. A scenario is named once. */
export function toTable(rows) {
  return layOut(rows, (cells, widths) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
}

const markdownLine = (cells, widths) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;

/** The rows as a Markdown table. */
export const toMarkdown = (rows) =>
  layOut(rows, markdownLine, (widths) =>
    markdownLine(
      widths.map((width) => '-'.repeat(width)),
      widths,
    ),
  );

function layOut(rows, line, separator) {
  const names = Object.keys(COLUMNS);
  const cells = rows.map((row, i) =>
    names.map((name, column) =>
      column === 0 && rows[i - 1]?.scenario === row.scenario ? '' : String(COLUMNS[name](row)),
    ),
  );
  const widths = names.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i].length)));
  const head = [line(names, widths), ...(separator ? [separator(widths)] : [])];
  return [...head, ...cells.map((row) => line(row, widths))].join('\n');
}

/** A list: the text of each scenario, in which the name of a server in braces is replaced by how many times as much Machi does. */
export function toSummary(rows, texts) {
  return Object.entries(texts).map(([scenario, text]) => {
    const leadOver = (name) => rows.find((row) => row.scenario === scenario && row.name === name).lead;
    return `- ${text.replaceAll(/\{([^}]+)\}/g, (_, name) => String(leadOver(name)))}`;
  });
}

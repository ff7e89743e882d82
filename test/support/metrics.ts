import type { TestApp } from './app.js';

/** A line of the metrics. */
export interface Series {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Reads the text format of Prometheus. */
export function parseMetrics(text: string): Series[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', labels = '', value = ''] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
        ([, key, content = '']) => [key, content] as const,
      );
      return { name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) };
    });
}

/** Reads the metrics of an application with this METRICS_TOKEN. */
export function metricsOf(t: () => TestApp, token: string) {
  const scrape = async (): Promise<string> => (await t().request('GET', '/metrics', { token })).text;
  return {
    scrape,
    series: async (): Promise<Series[]> => parseMetrics(await scrape()),
    /** The value of the series written like this, such as `http_requests_total{…}`; undefined if there is none. */
    valueOf: async (series: string): Promise<number | undefined> => {
      const line = (await scrape()).split('\n').find((each) => each.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length));
    },
  };
}

import type { Labels, Sample } from './collected-metric.js';

/** Counts by the values of one label, as plain integers. The values must come from a fixed list. */
export class LabelCounts<Value extends string> {
  private readonly counts: Partial<Record<Value, number>> = {};

  /** `values` are written as 0 before they are counted, so that a first increase is seen. */
  constructor(
    private readonly label: string,
    values: readonly Value[] = [],
  ) {
    for (const value of values) this.counts[value] = 0;
  }

  add(value: Value, count = 1): void {
    this.counts[value] = (this.counts[value] ?? 0) + count;
  }

  read(): Sample[] {
    const entries = Object.entries(this.counts) as [Value, number][];
    return entries.map(([value, count]) => ({ labels: { [this.label]: value }, value: count }));
  }
}

/** Durations of one kind, counted as plain integers for a histogram. */
export class DurationCounts {
  private readonly counts: number[];
  private sum = 0;

  /** `buckets` are upper bounds in seconds, ascending. */
  constructor(private readonly buckets: readonly number[]) {
    this.counts = Array.from({ length: buckets.length + 1 }, () => 0);
  }

  add(seconds: number): void {
    let i = 0;
    while (i < this.buckets.length && seconds > this.buckets[i]!) i++;
    this.counts[i]!++;
    this.sum += seconds;
  }

  /** The lines of the histogram `name`. */
  read(name: string, labels: Labels = {}): Sample[] {
    let count = 0;
    const samples = this.counts.map((n, i) => {
      count += n;
      return { metricName: `${name}_bucket`, labels: { le: this.buckets[i] ?? '+Inf', ...labels }, value: count };
    });
    return [
      ...samples,
      { metricName: `${name}_sum`, labels, value: this.sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

/** A value that a module reads when the metrics are collected. */
export type Read = () => number | Sample[] | Promise<number | Sample[]>;

export type Labels = Record<string, string | number>;

/** One line of the metrics. */
export interface Sample {
  labels: Labels;
  value: number;
  /** The name of the line, where it differs from that of the metric. */
  metricName?: string;
}

/** A database that does not answer must not delay the values that are known without it. */
const READ_TIMEOUT_MS = 2000;

/**
 * A metric whose values are read when it is collected, and not counted by prom-client: what a hot path counts is a plain integer.
 * Has the shape that the registry of prom-client expects. Values that cannot be read in time are left out.
 */
export class CollectedMetric {
  readonly aggregator = 'sum';
  private readonly reads: (() => Promise<Sample[]>)[] = [];

  constructor(
    readonly name: string,
    readonly help: string,
    readonly type: 'counter' | 'gauge' | 'histogram',
  ) {}

  /** Adds values; several parts of the application may add some with different labels. */
  add(read: Read, labels: Labels = {}): void {
    this.reads.push(async () => {
      const values = await inTime(read);
      if (typeof values === 'number') return [{ labels, value: values }];
      return (values ?? []).map((sample) => ({ ...sample, labels: { ...labels, ...sample.labels } }));
    });
  }

  async get() {
    const { name, help, type, aggregator } = this;
    const values = (await Promise.all(this.reads.map((read) => read()))).flat();
    return { name, help, type, aggregator, values };
  }

  /** Nothing is stored here. */
  reset(): void {}
}

async function inTime(read: Read): Promise<number | Sample[] | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, READ_TIMEOUT_MS, undefined)));
  try {
    return await Promise.race([read(), timeout]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

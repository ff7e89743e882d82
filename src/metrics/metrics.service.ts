import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Histogram, type Metric, Registry } from 'prom-client';
import { VERSION } from '../common/version.js';
import { Config } from '../config/config.js';
import { CollectedMetric, type Labels, type Read } from './collected-metric.js';

/**
 * The metrics of this process, in the format of Prometheus. Each service registers, in its constructor, what it counts. Labels come
 * from fixed lists in the code and never from a request: they contain no data of users, and their number is bounded.
 */
@Injectable()
export class MetricsService {
  /** Whether the metrics can be read. If not, what costs more than an integer need not be counted. */
  readonly isOn: boolean;
  private readonly registry = new Registry();

  constructor({ METRICS_PORT, METRICS_TOKEN }: Config) {
    this.isOn = METRICS_PORT !== undefined || METRICS_TOKEN !== undefined;
    if (this.isOn) collectDefaultMetrics({ register: this.registry });
    this.gauge('machi_build_info', 'Always 1; the label is the version of Machi.', () => 1, {
      version: VERSION,
    });
  }

  /** The media type of `write`. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** All metrics, with their values of now. */
  write(): Promise<string> {
    return this.registry.metrics();
  }

  /** A number that only grows, for what happens rarely. The same name returns the same counter. */
  counter<Label extends string>(name: string, help: string, labelNames: Label[] = []): Counter<Label> {
    const existing = this.registry.getSingleMetric(name) as Counter<Label> | undefined;
    return existing ?? new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** A number that only grows and that the caller counts itself, as an integer: for hot paths. */
  total(name: string, help: string, read: Read, labels?: Labels): void {
    this.collected(name, help, 'counter').add(read, labels);
  }

  /** A number that is read whenever the metrics are read. Left out if it cannot be read within two seconds. */
  gauge(name: string, help: string, read: Read, labels?: Labels): void {
    this.collected(name, help, 'gauge').add(read, labels);
  }

  /** How often durations, in seconds, were below each of the buckets. */
  histogram<Label extends string>(
    name: string,
    help: string,
    { labelNames = [], buckets }: { labelNames?: Label[]; buckets: number[] },
  ): Histogram<Label> {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] });
  }

  /** A histogram that the caller counts itself, see DurationCounts. */
  histogramOf(name: string, help: string, read: Read): void {
    this.collected(name, help, 'histogram').add(read);
  }

  private collected(name: string, help: string, type: CollectedMetric['type']): CollectedMetric {
    const existing = this.registry.getSingleMetric(name) as unknown;
    if (existing instanceof CollectedMetric) return existing;
    const metric = new CollectedMetric(name, help, type);
    this.registry.registerMetric(metric as unknown as Metric);
    return metric;
  }
}

import type { Counter } from 'prom-client';
import type { MetricsService } from '../../metrics/metrics.service.js';
import { mapToProblem } from '../problems/problem-mapping.js';

/** Counts how an operation ends: `ok`, or the code of its problem. The codes are those of the catalogue. */
export class ResultCounter<Label extends string = never> {
  private readonly counter: Counter<Label | 'result'>;

  constructor(metrics: MetricsService, name: string, help: string, labelNames: Label[] = []) {
    this.counter = metrics.counter(name, help, [...labelNames, 'result']);
  }

  /** Counts the end of this work, and returns the work. `nameOf` may distinguish successes. */
  watch<T>(work: Promise<T>, labels: Record<Label, string>, nameOf: (value: T) => string = () => 'ok'): Promise<T> {
    work.then(
      (value) => this.add(nameOf(value), labels),
      (error: unknown) => this.addError(error, labels),
    );
    return work;
  }

  add(result: string, labels: Record<Label, string>, count = 1): void {
    this.counter.inc({ ...labels, result }, count);
  }

  addError(error: unknown, labels: Record<Label, string>): void {
    this.add(mapToProblem(error).code, labels);
  }
}

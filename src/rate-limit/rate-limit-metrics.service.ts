import { Injectable } from '@nestjs/common';
import { LabelCounts } from '../metrics/counts.js';
import { MetricsService } from '../metrics/metrics.service.js';

/** Counts refused requests by the name of the limit: a quota or a backoff policy. */
@Injectable()
export class RateLimitMetricsService {
  private readonly refusals = new LabelCounts('limit');

  constructor(metrics: MetricsService) {
    metrics.total('machi_rate_limited_total', 'Requests refused by a rate limit.', () => this.refusals.read());
  }

  countRefusal({ name }: { name: string }): void {
    this.refusals.add(name);
  }
}

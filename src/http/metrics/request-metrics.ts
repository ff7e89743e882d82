import type { Request, Response } from 'express';
import { DurationCounts } from '../../metrics/counts.js';
import type { MetricsService } from '../../metrics/metrics.service.js';

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const DURATIONS = 'http_request_duration_seconds';

/** The label `route` of requests that reached no route: unknown paths, preflights, and what is refused before. */
const NO_ROUTE = 'none';
/** The label `status` of requests whose client disconnected before the response began. */
const ABORTED = 'aborted';

/** Called with each request that has ended and the seconds that it took. */
export type RequestObserver = (request: Request, response: Response, seconds: number) => void;

/** Counts requests by the template of their route, method and status, and measures their duration. */
export function requestMetrics(metrics: MetricsService): RequestObserver {
  const routes = new Map<string, RouteCounts>();
  const all = (): RouteCounts[] => [...routes.values()];
  metrics.total('http_requests_total', 'Requests that have ended.', () => all().flatMap((counts) => counts.requests()));
  metrics.histogramOf(DURATIONS, 'Time from the headers to the response.', () =>
    all().flatMap(({ durations, labels }) => durations.read(DURATIONS, labels)),
  );
  return (request, response, seconds) => {
    const { path } = (request.route ?? {}) as { path?: unknown };
    const route = typeof path === 'string' && path.startsWith('/') ? path : NO_ROUTE; // Nest's own 404 is the route "*path"
    const method = METHODS.has(request.method) ? request.method : 'other';
    const key = `${method} ${route}`;
    let counts = routes.get(key);
    if (!counts) routes.set(key, (counts = new RouteCounts({ method, route })));
    counts.add(response.headersSent ? response.statusCode : ABORTED, seconds);
  };
}

/** The requests to one route with one method. */
class RouteCounts {
  readonly durations = new DurationCounts(BUCKETS);
  private readonly byStatus = new Map<number | typeof ABORTED, number>();

  constructor(readonly labels: { method: string; route: string }) {}

  add(status: number | typeof ABORTED, seconds: number): void {
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1);
    this.durations.add(seconds);
  }

  requests() {
    return [...this.byStatus].map(([status, value]) => ({ labels: { ...this.labels, status }, value }));
  }
}

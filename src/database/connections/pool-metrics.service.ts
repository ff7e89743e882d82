import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { MetricsService } from '../../metrics/metrics.service.js';
import { POOL } from './pool.js';

const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

type Callback = (...results: unknown[]) => void;
type Connect = (callback?: Callback) => Promise<unknown> | undefined;

/** Measures the use of the connection pool, and how long callers wait for a connection when none is idle. */
@Injectable()
export class PoolMetricsService {
  constructor(@Inject(POOL) pool: Pool, metrics: MetricsService) {
    metrics.gauge('machi_db_pool_size', 'The most connections that the pool opens.', () => pool.options.max);
    metrics.gauge('machi_db_pool_connections', 'Open connections.', () => pool.totalCount);
    metrics.gauge('machi_db_pool_idle', 'Open connections that nobody uses.', () => pool.idleCount);
    metrics.gauge('machi_db_pool_waiting', 'Callers that wait for a connection.', () => pool.waitingCount);
    if (metrics.isOn) measureWaits(pool, metrics);
  }
}

function measureWaits(pool: Pool, metrics: MetricsService): void {
  const waits = metrics.histogram('machi_db_pool_wait_seconds', 'Waits for a connection because none was idle.', {
    buckets: BUCKETS,
  });
  const connect = pool.connect.bind(pool) as Connect;
  const measured: Connect = (callback) => {
    // callers of one turn of the event loop are counted as waiting until the pool gives them the idle connections
    if (pool.idleCount > pool.waitingCount) return connect(callback);
    const start = performance.now();
    const stop = (): void => waits.observe((performance.now() - start) / 1000);
    if (!callback) return connect()?.finally(stop);
    return connect((...results) => {
      stop();
      callback(...results);
    });
  };
  pool.connect = measured as Pool['connect'];
}

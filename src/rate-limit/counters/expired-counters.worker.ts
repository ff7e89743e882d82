import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { type ExpiredRows, ExpiredRowsWorker } from '../../database/expired-rows.worker.js';

/** The longest time after which a policy forgets failures. */
const DAY_MS = 86_400_000;

/** Deletes counters that have no effect any more. */
@Injectable()
export class ExpiredCountersWorker extends ExpiredRowsWorker {
  constructor(
    @Inject(POOL) pool: Pool,
    private readonly clock: Clock,
  ) {
    super(pool, 'expired counters of rate limits');
  }

  protected listExpired(): ExpiredRows[] {
    const now = this.clock.now();
    const values = [new Date(now - DAY_MS), new Date(now)];
    const where = 'seen_at < $1 and until < $2';
    return [{ table: 'rate_limit_counters', key: 'key', where, orderBy: 'seen_at', values }];
  }
}

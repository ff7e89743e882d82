import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { type ExpiredRows, ExpiredRowsWorker, rowsExpiredAt } from '../../database/expired-rows.worker.js';

/** Deletes links for the removal of sign-in methods that were not used. */
@Injectable()
export class ExpiredRemovalLinksWorker extends ExpiredRowsWorker {
  constructor(
    @Inject(POOL) pool: Pool,
    private readonly clock: Clock,
  ) {
    super(pool, 'expired method removal links');
  }

  protected listExpired(): ExpiredRows[] {
    return [rowsExpiredAt(this.clock.date(), 'method_removal_links', 'user_id')];
  }
}

import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { type ExpiredRows, ExpiredRowsWorker, rowsExpiredAt } from '../../database/expired-rows.worker.js';

/** Deletes verification links, with the addresses they were mailed to, that were not used. */
@Injectable()
export class ExpiredEmailVerificationsWorker extends ExpiredRowsWorker {
  constructor(
    @Inject(POOL) pool: Pool,
    private readonly clock: Clock,
  ) {
    super(pool, 'expired e-mail verifications');
  }

  protected listExpired(): ExpiredRows[] {
    return [rowsExpiredAt(this.clock.date(), 'email_verifications', 'user_id')];
  }
}

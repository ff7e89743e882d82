import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { type ExpiredRows, ExpiredRowsWorker, rowsExpiredAt } from '../../database/expired-rows.worker.js';

/** Deletes challenges that no passkey has answered. */
@Injectable()
export class ExpiredPasskeyChallengesWorker extends ExpiredRowsWorker {
  constructor(
    @Inject(POOL) pool: Pool,
    private readonly clock: Clock,
  ) {
    super(pool, 'expired passkey challenges');
  }

  protected listExpired(): ExpiredRows[] {
    return [rowsExpiredAt(this.clock.date(), 'passkey_challenges', 'challenge')];
  }
}

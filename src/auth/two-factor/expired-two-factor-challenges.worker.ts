import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { type ExpiredRows, ExpiredRowsWorker, rowsExpiredAt } from '../../database/expired-rows.worker.js';

/** Deletes sign-ins that were not continued with a code. Their rows contain the password hash of the user. */
@Injectable()
export class ExpiredTwoFactorChallengesWorker extends ExpiredRowsWorker {
  constructor(
    @Inject(POOL) pool: Pool,
    private readonly clock: Clock,
  ) {
    super(pool, 'expired two-factor challenges');
  }

  protected listExpired(): ExpiredRows[] {
    return [rowsExpiredAt(this.clock.date(), 'two_factor_challenges', 'challenge_hash')];
  }
}

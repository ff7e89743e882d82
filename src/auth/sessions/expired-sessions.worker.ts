import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { POOL } from '../../database/connections/pool.js';
import { type ExpiredRows, ExpiredRowsWorker } from '../../database/expired-rows.worker.js';
import { expiryLimits, hasNoToken, hasReachedEnd } from './session-expiry.js';

/** Deletes expired sessions, which contain network addresses and user agents, also of users who never sign in again. */
@Injectable()
export class ExpiredSessionsWorker extends ExpiredRowsWorker {
  constructor(
    @Inject(POOL) pool: Pool,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    super(pool, 'expired sessions');
  }

  protected listExpired(): ExpiredRows[] {
    const { now, oldestRefresh, oldestIdentities } = expiryLimits(this.config, this.clock.now());
    const rows = { table: 'sessions', key: 'id' };
    return [
      { ...rows, where: hasReachedEnd('$1'), orderBy: 'expires_at', values: [now] },
      { ...rows, where: hasNoToken('$1', '$2'), orderBy: 'issued_at', values: [oldestRefresh, oldestIdentities] },
    ];
  }
}

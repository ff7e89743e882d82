import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { type ExpiredRows, ExpiredRowsWorker } from '../../database/expired-rows.worker.js';
import { resetExpiryLimit } from './password-resets.service.js';

/** Deletes password resets whose code, and the token it may have been exchanged for, have expired. */
@Injectable()
export class ExpiredPasswordResetsWorker extends ExpiredRowsWorker {
  constructor(
    @Inject(POOL) pool: Pool,
    private readonly clock: Clock,
  ) {
    super(pool, 'expired password resets');
  }

  protected listExpired(): ExpiredRows[] {
    const rows = { table: 'password_resets', key: 'address_key' };
    const values = [resetExpiryLimit(this.clock.now())];
    return [{ ...rows, where: 'expires_at < $1', orderBy: 'expires_at', values }];
  }
}

import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { type ExpiredRows, ExpiredRowsWorker } from '../../database/expired-rows.worker.js';

const RETENTION_MS = 86_400_000;

/** Forgets requests with an `Idempotency-Key` after a day. An opening leaves one per booking. */
@Injectable()
export class BookingRequestsWorker extends ExpiredRowsWorker {
  constructor(
    @Inject(POOL) pool: Pool,
    private readonly clock: Clock,
  ) {
    super(pool, 'old booking requests');
  }

  protected listExpired(): ExpiredRows[] {
    const values = [new Date(this.clock.now() - RETENTION_MS)];
    const rows = { table: 'vaccination_booking_requests', key: 'key' };
    return [{ ...rows, where: 'created_at < $1', orderBy: 'created_at', values }];
  }
}

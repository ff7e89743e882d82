import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';

const LOCK_WAIT_MS = 200;
const RETRY_MS = 100;
const LOCK_NOT_AVAILABLE = '55P03';
const DEADLOCK_DETECTED = '40P01';

/** Whether a statement has failed because others use a table. */
export const isLockFailure = ({ code }: { code?: string }): boolean =>
  code === LOCK_NOT_AVAILABLE || code === DEADLOCK_DETECTED;

/**
 * Locks all tables at once, before any of them is changed. Servers that run meanwhile lock them in other orders, and whoever needs
 * a table waits while this waits for it: so this does not wait for long, and tries again.
 */
export async function lockTables(runner: QueryRunner, ...tables: string[]): Promise<void> {
  const [before] = (await runner.query('show lock_timeout')) as [{ lock_timeout: string }];
  await runner.query(`set local lock_timeout = ${LOCK_WAIT_MS}`);
  await runner.query('savepoint before_lock');
  for (;;) {
    try {
      await runner.query(`lock table ${tables.join(', ')} in access exclusive mode`);
      break;
    } catch (error) {
      if (!isLockFailure(error as { code?: string })) throw error;
      await runner.query('rollback to savepoint before_lock');
      await sleep(RETRY_MS);
    }
  }
  await runner.query(`set local lock_timeout = '${before.lock_timeout}'`);
}

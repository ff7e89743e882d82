import { type BeforeApplicationShutdown, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Pool } from 'pg';
import { causeMessage } from '../common/cause-message.js';

const HOUR_MS = 3_600_000;
/** Keeps each statement far below its time limit, and locks few rows at a time. */
const BATCH_SIZE = 1_000;

/** Rows to delete. `table`, `key`, `where` and `orderBy` are SQL; an index on `orderBy` must find the rows of `where`. */
export interface ExpiredRows {
  table: string;
  /** The column of the primary key. */
  key: string;
  /** With $1, $2, … for `values`. */
  where: string;
  orderBy: string;
  values: unknown[];
}

/** The rows of a table whose `expires_at` has come. */
export function rowsExpiredAt(time: Date, table: string, key: string): ExpiredRows {
  return { table, key, where: 'expires_at <= $1', orderBy: 'expires_at', values: [time] };
}

/** `any (array(…))` runs the inner query once and looks the rows up by their key, whatever the statistics say. */
function deleteBatch({ table, key, where, orderBy }: ExpiredRows): string {
  const expired = `select ${key} from ${table} where ${where} order by ${orderBy}`;
  return `delete from ${table} where ${key} = any (array(${expired} limit ${BATCH_SIZE} for update skip locked))`;
}

/** Deletes expired rows every hour, in batches. Several nodes may run it at once. */
export abstract class ExpiredRowsWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(this.constructor.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isStopping = false;

  /** `noun` names the rows in the log. */
  protected constructor(
    private readonly pool: Pool,
    private readonly noun: string,
  ) {}

  /** The rows that have expired now. */
  protected abstract listExpired(): ExpiredRows[];

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.runInBackground(), HOUR_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await this.running?.catch(() => undefined); // whoever started it handles the error
  }

  /** Deletes all expired rows, except those that others have locked. Stops after a batch at shutdown. */
  async run(): Promise<void> {
    await (this.running ??= this.deleteAll().finally(() => (this.running = undefined)));
  }

  private async runInBackground(): Promise<void> {
    try {
      await this.run();
    } catch (error) {
      this.log.warn(`Deleting ${this.noun} failed (${causeMessage(error)}); retrying in an hour`);
    }
  }

  private async deleteAll(): Promise<void> {
    for (const rows of this.listExpired()) {
      const sql = deleteBatch(rows);
      let hasMore = true;
      while (hasMore && !this.isStopping) {
        hasMore = (await this.pool.query(sql, rows.values)).rowCount === BATCH_SIZE;
      }
    }
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DatabaseConnection } from '../../config/database-connection.js';
import { ADVISORY_LOCKS } from '../advisory-locks.js';
import { destroyConnection } from '../destroy-connection.js';

const CONNECT_TIMEOUT_MS = 2_000;
const QUERY_TIMEOUT_MS = 5_000;

/** The server did not answer in time. */
export class NoAnswerError extends Error {}

/**
 * A connection of the superuser that holds the shared lock `embeddedServer`. While any process holds a lease, no other
 * process stops the server. A lease ends with its connection, and therefore with its process.
 */
export class ServerLease {
  private constructor(private readonly client: pg.Client) {}

  /** Connects and takes the lock. Throws NoAnswerError, or the error of the connection. */
  static async take({ host, port, password }: DatabaseConnection): Promise<ServerLease> {
    const user = { user: 'postgres', database: 'postgres', application_name: 'machi lease' };
    const lease = new ServerLease(new pg.Client({ host, port, password, ...user }));
    const { client } = lease;
    client.on('error', () => undefined); // "end" follows
    try {
      await withTimeout(client.connect(), CONNECT_TIMEOUT_MS);
      await lease.query('select pg_advisory_lock_shared($1)', [ADVISORY_LOCKS.embeddedServer]);
      return lease;
    } catch (error) {
      destroyConnection(client);
      throw error;
    }
  }

  /** Calls `callback` when the connection ends. */
  onEnd(callback: () => void): void {
    this.client.once('end', callback);
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const { rows } = await withTimeout(this.client.query<Row>(sql, values), QUERY_TIMEOUT_MS);
    return rows;
  }

  /**
   * Releases the lock. Returns true if no other process holds a lease: the lock is then held exclusively, so that no process
   * can take a lease on a server that is about to stop.
   */
  async release(): Promise<boolean> {
    const lock = [ADVISORY_LOCKS.embeddedServer];
    await this.query('select pg_advisory_unlock_shared($1)', lock);
    const [row] = await this.query<{ is_last: boolean }>('select pg_try_advisory_lock($1) as is_last', lock);
    if (!row?.is_last) await this.client.end();
    return row?.is_last ?? false;
  }
}

async function withTimeout<T>(work: Promise<T>, ms: number): Promise<T> {
  const timeout = new AbortController();
  const late = sleep(ms, undefined, { signal: timeout.signal }).then(() => {
    throw new NoAnswerError(`no answer within ${ms} ms`);
  });
  late.catch(() => undefined);
  return Promise.race([work, late]).finally(() => timeout.abort());
}

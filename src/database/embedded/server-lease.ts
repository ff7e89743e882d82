import pg from 'pg';
import type { DatabaseConnection } from '../../config/database/database-connection.js';
import { ADVISORY_LOCKS } from '../advisory-locks.js';
import { destroyConnection } from '../connections/destroy-connection.js';

const CONFIG = {
  user: 'postgres',
  database: 'postgres',
  application_name: 'machi lease',
  connectionTimeoutMillis: 2_000,
  query_timeout: 5_000,
};

/**
 * A connection of the superuser that holds the shared lock `embeddedServer`. While any process holds a lease, no other
 * process stops the server. A lease ends with its connection, and therefore with its process.
 */
export class ServerLease {
  private constructor(private readonly client: pg.Client) {}

  /** Connects and takes the lock. Throws the error of the connection; it has no `code` if the server does not answer. */
  static async take({ host, port, password }: DatabaseConnection): Promise<ServerLease> {
    const client = new pg.Client({ host, port, password, ...CONFIG });
    client.on('error', () => undefined); // "end" follows
    try {
      await client.connect();
      await client.query('select pg_advisory_lock_shared($1)', [ADVISORY_LOCKS.embeddedServer]);
      return new ServerLease(client);
    } catch (error) {
      destroyConnection(client);
      throw error;
    }
  }

  /** Calls `callback` when the connection ends. */
  onEnd(callback: () => void): void {
    this.client.once('end', callback);
  }

  /** Runs a statement as the superuser. */
  async execute(sql: string): Promise<void> {
    await this.client.query(sql);
  }

  /**
   * Releases the lock. Returns true if no other process holds a lease: the lock is then held exclusively, so that no process
   * can take a lease on a server that is about to stop.
   */
  async release(): Promise<boolean> {
    const lock = [ADVISORY_LOCKS.embeddedServer];
    await this.client.query('select pg_advisory_unlock_shared($1)', lock);
    const { rows } = await this.client.query<{ is_last: boolean }>('select pg_try_advisory_lock($1) as is_last', lock);
    const isLast = rows[0]!.is_last;
    if (!isLast) await this.client.end();
    return isLast;
  }
}

import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { EventEmitter } from 'node:events';
import type { Pool, PoolClient } from 'pg';
import { POOL } from './pool.js';

/** The SQLSTATE of a change that a read-only session refuses. */
const READ_ONLY = '25006';
const PROBE_MS = 1_000;

const SELECT_READ_ONLY = `select current_setting('transaction_read_only') = 'on' as is_read_only`;

/** What the types of node-postgres leave out. */
interface ClientInternals {
  connection: EventEmitter;
  _getActiveQuery(): unknown;
  end(): Promise<void>;
}

const internalsOf = (client: PoolClient): ClientInternals => client as unknown as ClientInternals;

/**
 * Notices that the database is read-only, and replaces the connections of the pool. A session stays read-only after the
 * database has become writable again, or after another server has taken over, so no such session may remain in the pool.
 *
 * Nor may one whose statement has timed out without an answer: TypeORM releases it like any other, and a server that continues
 * executes what it was sent. After START TRANSACTION, later statements of others would not be committed.
 */
@Injectable()
export class PoolRenewalService implements OnApplicationShutdown {
  private readonly log = new Logger(PoolRenewalService.name);
  /** Connections of an earlier generation were opened before the database became writable. */
  private readonly generations = new WeakMap<PoolClient, number>();
  private generation = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(@Inject(POOL) private readonly pool: Pool) {
    pool.on('acquire', (client) => this.watch(client));
    pool.on('release', (_error, client) => this.closeIfUnusable(client));
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Whether the database refuses changes. Rejects if it cannot be reached. */
  async isReadOnly(): Promise<boolean> {
    if (this.timer === undefined && (await this.isSessionReadOnly())) this.onReadOnly();
    return this.timer !== undefined;
  }

  private watch(client: PoolClient): void {
    if (this.generations.has(client)) return;
    this.generations.set(client, this.generation);
    internalsOf(client).connection.on('errorMessage', ({ code }: { code?: string }) => {
      if (code === READ_ONLY) this.onReadOnly();
    });
  }

  /** While the database is read-only, every connection is used once. The pool drops a connection that is ending. */
  private closeIfUnusable(client: PoolClient): void {
    const isCurrent = this.timer === undefined && this.generations.get(client) === this.generation;
    const internals = internalsOf(client);
    // oxlint-disable-next-line no-underscore-dangle -- its public name prints a warning
    if (isCurrent && !internals._getActiveQuery()) return;
    void internals.end().catch(() => undefined);
  }

  private onReadOnly(): void {
    if (this.timer !== undefined) return;
    this.log.warn(`The database is read-only; asking again every ${PROBE_MS} ms`);
    this.timer = setInterval(() => void this.probe(), PROBE_MS).unref();
  }

  /** Asks a new connection: all idle ones are taken first, and closed. */
  private async probe(): Promise<void> {
    try {
      const idle = await Promise.all(Array.from({ length: this.pool.idleCount }, () => this.pool.connect()));
      for (const client of idle) client.release();
      if (this.timer === undefined || (await this.isSessionReadOnly())) return;
    } catch {
      return; // not reachable; the next probe tries again
    }
    clearInterval(this.timer);
    this.timer = undefined;
    this.generation++;
    this.log.log('The database accepts changes again');
  }

  private async isSessionReadOnly(): Promise<boolean> {
    const { rows } = await this.pool.query<{ is_read_only: boolean }>(SELECT_READ_ONLY);
    return rows[0]!.is_read_only;
  }
}

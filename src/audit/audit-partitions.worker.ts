import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Pool, PoolClient } from 'pg';
import { Clock } from '../common/clock.provider.js';
import { Config } from '../config/config.js';
import { ADVISORY_LOCKS } from '../database/advisory-locks.js';
import { POOL } from '../database/connections/pool.js';

const HOUR_MS = 3_600_000;
/** Partitions are created for this month and the following ones, so that a few failed runs do no harm. */
const MONTHS = 3;
/** Creating and dropping lock the table: sign-ins would wait behind a statement that waits for a long transaction. */
const LOCK_TIMEOUT = '2s';
/** Catches events of months without a partition, so that a missing one refuses no request. */
const DEFAULT_PARTITION = 'audit_events_default';

/** The bounds are printed in the format and the time zone of the connection, which also reads them. */
const LIST = `select c.relname as name,
    (regexp_match(b.bounds, $$FROM \\('([^']+)'\\)$$))[1]::timestamptz as start,
    (regexp_match(b.bounds, $$TO \\('([^']+)'\\)$$))[1]::timestamptz as until
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
    cross join lateral (select pg_get_expr(c.relpartbound, c.oid) as bounds) b
  where i.inhparent = 'audit_events'::regclass`;

interface Partition {
  name: string;
  /** Null: no lower bound. */
  start: Date | null;
  /** Null for the default partition. */
  until: Date | null;
}

/**
 * Creates the partitions of the audit log, one per month, and drops those whose events are all older than AUDIT_RETENTION.
 * Rows are never deleted one by one: a trigger refuses that.
 */
@Injectable()
export class AuditPartitionsWorker implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger('Audit');
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.timer = setInterval(() => void this.run(), HOUR_MS).unref();
    await this.run();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Creates what is missing and drops what has expired. Never rejects. */
  async run(): Promise<void> {
    try {
      const { rows } = await this.pool.query<Partition>(LIST);
      if (this.missingMonths(rows).length > 0 || this.expired(rows).length > 0) await this.update();
      await this.replaceExpiredDefault();
    } catch (error) {
      this.log.warn(`Updating the partitions of audit_events failed (${(error as Error).message}); retrying in 1 h`);
    }
  }

  private async update(): Promise<void> {
    await this.inTransaction(async (client) => {
      const { rows } = await client.query<Partition>(LIST); // again: another process may have been faster
      for (const { name } of this.expired(rows)) {
        await client.query(`drop table ${name}`);
        this.log.log(`Dropped ${name}: its events are older than AUDIT_RETENTION`);
      }
      for (const month of this.missingMonths(rows)) await this.create(client, month);
    });
  }

  /** The months without a partition, from the current one on. A month is the time at which it starts, in UTC. */
  private missingMonths(partitions: Partition[]): Date[] {
    const now = this.clock.date();
    const months = Array.from({ length: MONTHS }, (_, i) => monthOf(now, i));
    const isCovered = (month: Date): boolean =>
      partitions.some(({ start, until }) => until !== null && until > month && (start === null || start <= month));
    return months.filter((month) => !isCovered(month));
  }

  private expired(partitions: Partition[]): Partition[] {
    const { limit } = this;
    return partitions.filter(({ until }) => until !== null && until <= limit);
  }

  /** Events before this time have expired. */
  private get limit(): Date {
    const { AUDIT_RETENTION } = this.config;
    return new Date(AUDIT_RETENTION === Infinity ? 0 : this.clock.now() - AUDIT_RETENTION);
  }

  /** Leaves out a month with events in the default partition: PostgreSQL would refuse it. They expire there. */
  private async create(client: PoolClient, month: Date): Promise<void> {
    const [from, until] = [month, monthOf(month, 1)].map((date) => date.toISOString());
    const inDefault = `select 1 from ${DEFAULT_PARTITION} where at >= $1 and at < $2 limit 1`;
    if ((await client.query(inDefault, [from, until])).rowCount !== 0) return;
    const name = `audit_events_${month.toISOString().slice(0, 7).replace('-', '_')}`;
    await client.query(`create table ${name} partition of audit_events for values from ('${from}') to ('${until}')`);
    await refuseTruncate(client, name);
  }

  private async replaceExpiredDefault(): Promise<void> {
    const newest = `select max(at) as at from ${DEFAULT_PARTITION}`;
    const isExpired = ({ rows }: { rows: { at: Date | null }[] }): boolean =>
      rows[0]?.at != null && rows[0].at < this.limit;
    if (!isExpired(await this.pool.query<{ at: Date | null }>(newest))) return;
    await this.inTransaction(async (client) => {
      await client.query('lock table audit_events in access exclusive mode');
      if (!isExpired(await client.query<{ at: Date | null }>(newest))) return;
      await client.query(`drop table ${DEFAULT_PARTITION}`);
      await client.query(`create table ${DEFAULT_PARTITION} partition of audit_events default`);
      await refuseTruncate(client, DEFAULT_PARTITION);
    });
  }

  private async inTransaction(work: (client: PoolClient) => Promise<void>): Promise<void> {
    const client = await this.pool.connect();
    try {
      await client.query('begin');
      await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
      await client.query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCKS.auditPartitions]);
      await work(client);
      await client.query('commit');
      client.release();
    } catch (error) {
      const isBroken = await client.query('rollback').then(
        () => false,
        () => true,
      );
      client.release(isBroken);
      throw error;
    }
  }
}

/** The start of a month in UTC, some months later. */
const monthOf = (date: Date, later: number): Date =>
  new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later));

/** Row triggers of `audit_events` apply to its partitions, too; triggers on truncate do not. */
const refuseTruncate = (client: PoolClient, table: string): Promise<unknown> =>
  client.query(`create trigger audit_events_no_truncate before truncate on ${table}
    for each statement execute function refuse_change()`);

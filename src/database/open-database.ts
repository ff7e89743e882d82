import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type DataSource, MigrationExecutor } from 'typeorm';
import type { DatabaseConnection } from '../config.js';
import { newDataSource } from './data-source.js';

/** One Machi migrates at a time; the others wait, then find nothing left to do. */
const MIGRATION_LOCK = 0x6d616367;
const PATIENCE_MS = 30_000;

/** Connects, waiting a while for a database that is still coming up, and brings its schema up to date. */
export async function openDatabase(connection: DatabaseConnection, poolSize: number, log: Logger): Promise<DataSource> {
  const dataSource = await connect(connection, poolSize, log);
  try {
    await migrate(dataSource, log);
    return dataSource;
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
}

async function connect(connection: DatabaseConnection, poolSize: number, log: Logger): Promise<DataSource> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await newDataSource(connection, poolSize).initialize();
    } catch (error) {
      const { message, code } = error as Error & { code?: string };
      if (Date.now() > deadline || isFinal(code)) {
        throw new Error(
          `The database cannot be reached (${message || code}): check DATABASE_URL or the DB_* variables.`,
          { cause: error },
        );
      }
      log.warn(`waiting for the database: ${message || code}`);
      await sleep(1000);
    }
  }
}

/** Wrong password or name: waiting would not help. */
const isFinal = (code: string | undefined): boolean => code?.startsWith('28') === true || code === '3D000';

export async function migrate(dataSource: DataSource, log: Logger): Promise<void> {
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query(`set statement_timeout = 0`);
    await runner.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const executor = new MigrationExecutor(dataSource, runner);
    executor.transaction = 'each';
    for (const { name } of await executor.executePendingMigrations()) log.info({ migration: name }, 'migrated');
  } finally {
    await runner.query('select pg_advisory_unlock_all()').catch(() => undefined);
    await runner.query('reset statement_timeout').catch(() => undefined);
    await runner.release();
  }
}

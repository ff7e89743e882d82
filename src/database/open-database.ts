import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import type { DatabaseConnection } from '../config/database/database-connection.js';
import { migrations } from '../../migrations/index.js';
import { isLockFailure } from '../../migrations/lock-tables.js';
import { ADVISORY_LOCKS } from './advisory-locks.js';
import { newDataSource } from './data-source.js';
import { DatabaseError } from './database-error.js';
import { whenReachable } from './connections/reach-database.js';

const UNDEFINED_TABLE = '42P01';

const LOCK_WAIT_MS = 1_000;
const LOCK_RETRY_MS = 2_000;

const OLDEST_TRANSACTION = `select pid, application_name from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null order by xact_start limit 1`;

/**
 * Runs the pending migrations: all, or those of a list of names. Returns the names of those that ran. Throws DatabaseError.
 */
export async function migrateDatabase(
  connection: DatabaseConnection,
  log: Logger,
  only?: readonly string[],
): Promise<string[]> {
  const isWanted = only && ((name: string) => only.includes(name));
  const dataSource = newDataSource(connection, { size: 2, statementTimeout: 0 }, isWanted);
  await whenReachable(log, () => dataSource.initialize());
  try {
    return await migrate(dataSource, log);
  } catch (error) {
    throw error instanceof DatabaseError ? error : migrationError(error as ErrorWithCode);
  } finally {
    await dataSource.destroy();
  }
}

/** What `migrateDatabase` would run, and migrations of a newer version that the database has. Throws DatabaseError. */
export async function planMigrations(
  connection: DatabaseConnection,
  log: Logger,
): Promise<{ pending: string[]; unknown: string[] }> {
  const dataSource = newDataSource(connection, { size: 1 });
  await whenReachable(log, () => dataSource.initialize());
  try {
    const known = listMigrations();
    const ran = await listRunMigrations(dataSource).catch((error: unknown) => {
      throw unreadable(error);
    });
    return {
      pending: known.filter((name) => !ran.includes(name)),
      unknown: ran.filter((name) => !known.includes(name)),
    };
  } finally {
    await dataSource.destroy();
  }
}

/** The names of all migrations of this version. */
export const listMigrations = (): string[] => migrations.map((migration) => new migration().name);

async function listRunMigrations(dataSource: DataSource): Promise<string[]> {
  try {
    const rows = await dataSource.query<{ name: string }[]>('select name from migrations order by id');
    return rows.map(({ name }) => name);
  } catch (error) {
    if ((error as ErrorWithCode).code === UNDEFINED_TABLE) return [];
    throw error;
  }
}

/**
 * Opens the pool. Runs pending migrations over `migrateVia`; without it, pending migrations are an error. Throws DatabaseError or
 * ConfigError.
 */
export async function openDatabase(
  connection: DatabaseConnection,
  options: { size: number; isPooled: boolean },
  log: Logger,
  migrateVia?: DatabaseConnection,
): Promise<DataSource> {
  const dataSource = newDataSource(connection, options);
  await whenReachable(log, () => dataSource.initialize());
  try {
    await ensureMigrated(dataSource, log, migrateVia);
    return dataSource;
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
}

async function ensureMigrated(
  dataSource: DataSource,
  log: Logger,
  migrateVia: DatabaseConnection | undefined,
): Promise<void> {
  if (await readIsMigrated(dataSource)) return;
  if (!migrateVia)
    throw new DatabaseError(
      'The database lacks migrations of this version: run "machi migrate", or set MIGRATE to on.',
    );
  await migrateDatabase(migrateVia, log);
  if (!(await readIsMigrated(dataSource)))
    throw new DatabaseError(
      'DATABASE_URL does not lead to the tables that were migrated: set the same search_path as in DATABASE_DIRECT_URL.',
    );
}

async function readIsMigrated(dataSource: DataSource): Promise<boolean> {
  try {
    return await isMigrated(dataSource);
  } catch (error) {
    throw unreadable(error);
  }
}

const unreadable = (cause: unknown): DatabaseError =>
  new DatabaseError(
    `Reading the table of migrations failed (${(cause as Error).message}): check the rights of the role.`,
    { cause },
  );

/** Whether all migrations of this version have run. Migrations of a newer version are ignored. */
export async function isMigrated(dataSource: DataSource): Promise<boolean> {
  const names = dataSource.migrations.map(({ name }) => name);
  try {
    const rows = await dataSource.query<unknown[]>('select from migrations where name = any ($1)', [names]);
    return rows.length === names.length;
  } catch (error) {
    if ((error as ErrorWithCode).code === UNDEFINED_TABLE) return false;
    throw error;
  }
}

/**
 * Runs all pending migrations of the data source, each in its own transaction, and returns their names. Other processes wait
 * until they are done.
 */
export async function migrate(dataSource: DataSource, log: Logger): Promise<string[]> {
  const runner = dataSource.createQueryRunner();
  try {
    await assertUtf8(runner);
    await runner.query('select pg_advisory_lock($1)', [ADVISORY_LOCKS.migrations]);
    const executor = new MigrationExecutor(dataSource, runner);
    executor.transaction = 'each';
    const names = (await executor.getPendingMigrations()).map(({ name }) => name);
    await runner.query(`set lock_timeout = ${LOCK_WAIT_MS}`);
    while (!(await executeUnlessLocked(executor, runner, log))) await sleep(LOCK_RETRY_MS);
    for (const name of names) log.info({ migration: name }, 'migrated');
    return names;
  } finally {
    await runner.query('select pg_advisory_unlock_all()').catch(() => undefined);
    await runner.release();
  }
}

/**
 * Runs the pending migrations; false if one of them could not lock a table. Requests that need a table wait behind a migration
 * that waits for it, so the migration gives up soon and is tried again: a long transaction, such as a backup, may use the table.
 */
async function executeUnlessLocked(executor: MigrationExecutor, runner: QueryRunner, log: Logger): Promise<boolean> {
  try {
    await executor.executePendingMigrations();
    return true;
  } catch (error) {
    if (!isLockFailure(error as ErrorWithCode)) throw error;
    const [oldest] = (await runner.query(OLDEST_TRANSACTION)) as { pid: number; application_name: string }[];
    const hint = oldest ? `; the oldest transaction is that of process ${oldest.pid} (${oldest.application_name})` : '';
    log.warn(
      `A migration waits for a table that others use (${(error as Error).message})${hint}; retrying in ${LOCK_RETRY_MS} ms`,
    );
    return false;
  }
}

/** In another encoding, some migrations would run before one fails. */
async function assertUtf8(runner: QueryRunner): Promise<void> {
  const [row] = (await runner.query('show server_encoding')) as { server_encoding: string }[];
  const encoding = row!.server_encoding;
  if (encoding === 'UTF8') return;
  throw new DatabaseError(
    `The encoding of the database is ${encoding}: create the database again with encoding UTF8 and the locale C.UTF-8.`,
  );
}

type ErrorWithCode = Error & { code?: string; file?: string };

const READ_ONLY = '25006';
const NO_RIGHT = '42501';
const NO_SCHEMA_IN_PATH = '3F000';
const FORBIDDEN = [NO_RIGHT, NO_SCHEMA_IN_PATH];
/** The source file of PostgreSQL that reports what concerns extensions. */
const EXTENSION_SOURCE = 'extension.c';

function migrationError(cause: ErrorWithCode): DatabaseError {
  const { message, code = '', file } = cause;
  if (code === NO_RIGHT && file === EXTENSION_SOURCE) {
    return new DatabaseError(
      `Migrating the database failed (${message}): make the role the owner of the database, or create the extension as a superuser.`,
      { cause },
    );
  }
  if (FORBIDDEN.includes(code)) {
    return new DatabaseError(
      `Migrating the database failed (${message}): give the role the right to create tables, for example with "grant create, usage on schema public to <role>".`,
      { cause },
    );
  }
  const remedy = code === READ_ONLY ? 'connect to the primary server' : 'correct the cause and start again';
  return new DatabaseError(`Migrating the database failed (${message}): ${remedy}.`, { cause });
}

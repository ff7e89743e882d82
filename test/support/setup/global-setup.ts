import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { pino } from 'pino';
import type { TestProject } from 'vitest/node';
import type { DatabaseConnection } from '../../../src/config/database/database-connection.js';
import { loadConfig } from '../../../src/config/load-config.js';
import { reachDatabase } from '../../../src/database/connections/reach-database.js';
import { newDataSource } from '../../../src/database/data-source.js';
import { EmbeddedPostgres } from '../../../src/database/embedded/embedded-postgres.js';
import { migrate } from '../../../src/database/open-database.js';
import { keepTemporaryFilesInMemory } from './temporary-folder.js';

declare module 'vitest' {
  interface ProvidedContext {
    connection: DatabaseConnection;
  }
}

export const TEMPLATE = `machi_template_${process.pid}`;
const SCRATCH = `machi_scratch_${process.pid}`;
const log = pino({ level: 'silent' });

/** What a database made for one test run need not survive. */
const FAST = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' };

/** One server, and one migrated template database that each spec file copies. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const removeTemporaryFiles = keepTemporaryFilesInMemory();
  const { connection, stop } = await startServer();
  const teardown = async (): Promise<void> => {
    for (const name of [TEMPLATE, SCRATCH]) await dropDatabase(connection, name);
    await stop();
    removeTemporaryFiles();
  };
  try {
    for (const name of [TEMPLATE, SCRATCH]) await admin(connection, `create database ${name}`);
    await migrateTemplate({ ...connection, database: TEMPLATE });
    await assertReversible({ ...connection, database: SCRATCH });
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide('connection', { ...connection, database: TEMPLATE });
  return teardown;
}

/** The server of DATABASE_URL (its user must be allowed to create databases), or one of our own for this run. */
async function startServer(): Promise<{ connection: DatabaseConnection; stop: () => Promise<void> }> {
  const url = process.env['DATABASE_URL'];
  if (url) {
    const { database } = loadConfig({ NODE_ENV: 'test', SECRET_KEY: 'x'.repeat(32), DATABASE_URL: url });
    const { connection } = await reachDatabase(database!, undefined, log);
    return { connection, stop: () => Promise.resolve() };
  }
  const folder = mkdtempSync(join(tmpdir(), 'machi-test-'));
  const server = new EmbeddedPostgres(folder, log, FAST);
  await server.start();
  await admin({ ...server.connection, user: 'postgres' }, `alter role ${server.connection.user} createdb`);
  const stop = async (): Promise<void> => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { connection: server.connection, stop };
}

export async function admin(connection: DatabaseConnection, sql: string): Promise<void> {
  const client = new pg.Client({ ...connection, database: 'postgres' });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** PostgreSQL refuses to end an autovacuum worker of the database, which is gone a moment later. */
export async function dropDatabase(connection: DatabaseConnection, name: string): Promise<void> {
  const isRefused = ({ code }: { code?: string }) => code === '42501' || code === '55006';
  for (let attempt = 1; ; attempt++) {
    try {
      return await admin(connection, `drop database if exists ${name} with (force)`);
    } catch (error) {
      if (attempt === 20 || !isRefused(error as { code?: string })) throw error;
      await sleep(100);
    }
  }
}

/** Fails, with the missing SQL, when the entities are not what the migrations make. */
async function migrateTemplate(connection: DatabaseConnection): Promise<void> {
  const dataSource = await newDataSource(connection, { size: 4, statementTimeout: 0 }).initialize();
  await migrate(dataSource, log);
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
  await dataSource.destroy();
  if (upQueries.length > 0) {
    throw new Error(`Entities and migrations disagree:\n${upQueries.map(({ query }) => query).join('\n')}`);
  }
}

/** Fails when undoing all migrations leaves something behind, or when they cannot be done again. */
async function assertReversible(connection: DatabaseConnection): Promise<void> {
  const dataSource = await newDataSource(connection, { size: 4, statementTimeout: 0 }).initialize();
  await migrate(dataSource, log);
  for (const _ of dataSource.migrations) await dataSource.undoLastMigration({ transaction: 'each' });
  const left = await dataSource.query<{ name: string }[]>(`
    select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace
      and c.relkind in ('r', 'v', 'm', 'S') and c.relname !~ '^migrations'
    union all select p.proname from pg_proc p where p.pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')`);
  await migrate(dataSource, log);
  await dataSource.destroy();
  if (left.length > 0) throw new Error(`Undone migrations leave behind: ${left.map(({ name }) => name).join(', ')}`);
}

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { inject } from 'vitest';
import type { DatabaseConnection } from '../../src/config/database-connection.js';

export interface TestDatabase {
  connection: DatabaseConnection;
  /** The settings that lead a process to this database. */
  env: Record<string, string>;
  drop: () => Promise<void>;
}

/** A private copy of the migrated template database. */
export async function createDatabase(): Promise<TestDatabase> {
  const template = inject('connection');
  const database = `machi_test_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ ...template, database: 'postgres' });
  await client.connect();
  await client.query(`create database ${database} template ${template.database}`);
  const connection = { ...template, database };
  return {
    connection,
    env: databaseEnv(connection),
    async drop() {
      await dropDatabase(client, database);
      await client.end();
    },
  };
}

/** PostgreSQL refuses to end an autovacuum worker of the database, which is gone a moment later. */
async function dropDatabase(client: pg.Client, database: string): Promise<void> {
  const isRefused = ({ code }: { code?: string }) => code === '42501' || code === '55006';
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(`drop database ${database} with (force)`);
      return;
    } catch (error) {
      if (attempt === 20 || !isRefused(error as { code?: string })) throw error;
      await sleep(100);
    }
  }
}

export function databaseEnv({ host, port, database, user, password = '' }: DatabaseConnection): Record<string, string> {
  return { DB_HOST: host, DB_PORT: String(port), DB_NAME: database, DB_USER: user, DB_PASSWORD: password };
}

import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import type { DatabaseConnection } from '../../../src/config/database/database-connection.js';
import { admin, dropDatabase } from './global-setup.js';

export interface TestDatabase {
  connection: DatabaseConnection;
  /** The settings that lead a process to this database. */
  env: Record<string, string>;
  drop: () => Promise<void>;
}

/** A private copy of the migrated template database. Copying files takes half the time of PostgreSQL's other way. */
export async function createDatabase(): Promise<TestDatabase> {
  const template = inject('connection');
  const database = `machi_test_${randomBytes(6).toString('hex')}`;
  await admin(template, `create database ${database} template ${template.database} strategy file_copy`);
  const connection = { ...template, database };
  return { connection, env: databaseEnv(connection), drop: () => dropDatabase(template, database) };
}

export function databaseEnv({ host, port, database, user, password = '' }: DatabaseConnection): Record<string, string> {
  return { DB_HOST: host, DB_PORT: String(port), DB_NAME: database, DB_USER: user, DB_PASSWORD: password };
}

import { DataSource, type DataSourceOptions } from 'typeorm';
import { migrations } from '../../migrations/index.js';
import { Session } from '../auth/session.entity.js';
import type { DatabaseConnection } from '../config.js';
import { GroupMember } from '../groups/group-member.entity.js';
import { Group } from '../groups/group.entity.js';
import { User } from '../users/user.entity.js';

/** The table of contents of the data model. */
export const entities = [User, Group, GroupMember, Session];

const STATEMENT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 3_000;

export function dataSourceOptions(connection: DatabaseConnection, poolSize: number): DataSourceOptions {
  const { user, ...rest } = connection;
  return {
    type: 'postgres',
    ...rest,
    username: user,
    entities,
    migrations,
    migrationsTableName: 'migrations',
    installExtensions: false, // migrations say which; the role may not be allowed to
    uuidExtension: 'pgcrypto',
    poolSize,
    extra: {
      application_name: 'machi',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
    },
  };
}

export const newDataSource = (connection: DatabaseConnection, poolSize: number): DataSource =>
  new DataSource(dataSourceOptions(connection, poolSize));

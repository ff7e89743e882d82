import { Client, type ClientConfig } from 'pg';
import type { DatabaseConnection, SessionAttributes } from '../../config/database/database-connection.js';

const CONNECT_TIMEOUT_MS = 3_000;
/** The server cancels a statement after this time. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** The client waits this much longer for a server that does not answer at all. */
const EXTRA_QUERY_TIMEOUT_MS = 2_000;
/** The server ends a transaction whose process sends nothing for this time, because it holds locks. */
const IDLE_TRANSACTION_TIMEOUT_MS = 60_000;

/**
 * What all statements rely on. A server, a database or a role can be set up with other values. Through a transaction pooler they
 * cannot be set, so the start checks them.
 */
export const SESSION_SETTINGS = {
  datestyle: 'ISO', // node-postgres reads no other times
  standard_conforming_strings: 'on',
  default_transaction_isolation: 'read committed', // a statement that has waited for a lock continues with the rows as they are then
};

/** Set as well, and not checked behind a pooler. */
const OTHER_SETTINGS = {
  quote_all_identifiers: 'off', // migrations change parts of the definitions of functions
  extra_float_digits: '1', // of coordinates
  array_nulls: 'on', // parameters that are arrays contain nulls
  jit: 'off', // compilation would take longer than most statements whose cost PostgreSQL overestimates
  // Limits that would end work that is bounded in another way, or connections that only listen.
  lock_timeout: '0',
  transaction_timeout: '0', // since PostgreSQL 17
  idle_session_timeout: '0',
};

export interface SessionOptions {
  /** In milliseconds. 0 sets no limit, for migrations. */
  statementTimeout?: number;
  /** Whether a transaction pooler is between: a session may then lead to another server process at any time. */
  isPooled?: boolean;
}

/** Options of node-postgres, and the function that prepares each new connection; the pool calls it by this name. */
export interface SessionConfig extends ClientConfig {
  onConnect(client: Pick<Client, 'query'>): Promise<void>;
}

export function clientConfig(
  { host, port, database, user, password, ssl = false, sessionAttributes = 'any', settings }: DatabaseConnection,
  { statementTimeout = STATEMENT_TIMEOUT_MS, isPooled = false }: SessionOptions = {},
): SessionConfig {
  return {
    host,
    port,
    database,
    user,
    password,
    application_name: 'machi',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: statementTimeout && statementTimeout + EXTRA_QUERY_TIMEOUT_MS,
    keepAlive: true,
    ...settings,
    ssl,
    async onConnect(client) {
      // Not startup parameters, which PgBouncer refuses. Behind a transaction pooler they would reach other clients.
      if (!isPooled) await client.query(setSettings(statementTimeout));
      await assertSessionAttributes(client, sessionAttributes);
    },
  };
}

/** Leaves out what an older server does not have. */
function setSettings(statementTimeout: number): string {
  const settings = {
    ...SESSION_SETTINGS,
    ...OTHER_SETTINGS,
    statement_timeout: statementTimeout,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
  };
  const values = Object.entries(settings).map(([name, value]) => `('${name}', '${value}')`);
  return `select set_config(name, value, false) from (values ${values.join(', ')}) s (name, value)
    where current_setting(name, true) is not null`;
}

/** Throws an error with the SQLSTATE 08004 if the server is of the wrong kind. Other servers are not tried. */
async function assertSessionAttributes(client: Pick<Client, 'query'>, expected: SessionAttributes): Promise<void> {
  if (expected === 'any' || expected === 'prefer-standby') return;
  const { rows } = await client.query<{ is_read_only: boolean; is_standby: boolean }>(
    `select current_setting('transaction_read_only') = 'on' as is_read_only, pg_is_in_recovery() as is_standby`,
  );
  const { is_read_only, is_standby } = rows[0]!;
  const fits = { 'read-write': !is_read_only, 'read-only': is_read_only, primary: !is_standby, standby: is_standby };
  if (fits[expected]) return;
  const message = `the server is not what target_session_attrs=${expected} asks for`;
  throw Object.assign(new Error(message), { code: '08004' });
}

/** A connection outside of the pool, with the same settings. The caller ends it. */
export async function connectClient(connection: DatabaseConnection, session?: SessionOptions): Promise<Client> {
  const config = clientConfig(connection, session);
  const client = new Client(config);
  client.on('error', () => undefined); // the current query rejects as well
  try {
    await client.connect();
    await config.onConnect(client);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

type Query = (...args: unknown[]) => unknown;

/**
 * Sends named statements without their name. Behind a transaction pooler, the process that prepared a statement is not the one
 * that executes it next.
 */
export class UnnamedStatementsClient extends Client {
  override query = ((statement: unknown, ...rest: unknown[]) => {
    const isNamed = typeof statement === 'object' && statement !== null && 'name' in statement;
    const unnamed = isNamed ? { ...statement, name: undefined } : statement;
    return (Client.prototype.query as Query).call(this, unnamed, ...rest);
  }) as Client['query'];
}

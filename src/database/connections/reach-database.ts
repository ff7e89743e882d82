import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Logger } from 'pino';
import { ConfigError } from '../../config/config-error.js';
import type { DatabaseConnection } from '../../config/database/database-connection.js';
import { clientConfig, SESSION_SETTINGS } from './client-config.js';
import { DatabaseUnreachableError } from '../database-error.js';

/** How long to wait for a database that is still starting. */
const CONNECT_DEADLINE_MS = 30_000;
const RETRY_MS = 1_000;
/** How often the two connections of `keepsSessions` are compared. */
const ROUNDS = 4;

/** SQLSTATEs, or prefixes of them, that waiting does not change: wrong credentials, no such database, a refused parameter. */
const PERMANENT = ['28', '3D000', '08P01', '42704', '22023'];
const PERMANENT_TLS = /^ERR_TLS|CERT|^UNABLE_TO|^ERR_SSL/;

const SELECT_SETTINGS = `select quote_ident(current_user) as role, name, current_setting(name) as value from unnest($1::text[]) name`;

export interface ReachedDatabase {
  /** With TLS or without, as the server allows. */
  connection: DatabaseConnection;
  /** The way around the pooler, if `connection` leads to one. */
  direct: DatabaseConnection | undefined;
}

/**
 * Waits up to 30 s, or `waitMs`, for the database and checks that Machi can use it: without a direct way, every connection must be a session
 * of its own; with one, both ways must lead to the same database, whose settings must fit. Throws DatabaseError or ConfigError.
 */
export async function reachDatabase(
  configured: DatabaseConnection,
  configuredDirect: DatabaseConnection | undefined,
  log: Logger,
  waitMs?: number,
): Promise<ReachedDatabase> {
  const connection = await settle(configured, log, waitMs);
  const direct = configuredDirect && (await settle(configuredDirect, log, waitMs));
  const isKept = await whenReachable(log, () => keepsSessions(direct ?? connection), waitMs);
  if (!isKept) throw poolerError(direct !== undefined);
  if (direct && !(await whenReachable(log, () => isSameDatabase(connection, direct), waitMs))) {
    throw new ConfigError([
      'DATABASE_DIRECT_URL leads to another database than DATABASE_URL: set both to the same one.',
    ]);
  }
  const problems = direct ? await whenReachable(log, () => findWrongSettings(connection), waitMs) : [];
  if (problems.length > 0) throw new ConfigError(problems);
  return { connection, direct };
}

/** Repeats `attempt` for up to 30 s, or `waitMs`, while the database cannot be reached. Throws DatabaseError or ConfigError. */
export async function whenReachable<T>(
  log: Logger,
  attempt: () => Promise<T>,
  waitMs = CONNECT_DEADLINE_MS,
): Promise<T> {
  for (const deadline = Date.now() + waitMs; ; await sleep(RETRY_MS)) {
    try {
      return await attempt();
    } catch (error) {
      const { message, code } = error as ErrorWithCode;
      const reason = message || String(code); // an error of several addresses has no message
      if (/unsupported startup parameter/.test(message)) throw parameterError(message);
      if (Date.now() > deadline || isPermanent(error as ErrorWithCode)) throw unreachable(reason, error);
      log.warn(`Connecting to the database failed (${reason}); retrying in ${RETRY_MS} ms`);
    }
  }
}

type ErrorWithCode = Error & { code?: string };

const isPermanent = ({ code = '', message }: ErrorWithCode): boolean =>
  PERMANENT.some((prefix) => code.startsWith(prefix)) ||
  PERMANENT_TLS.test(code) ||
  message.includes('does not support SSL');

const unreachable = (reason: string, cause: unknown): DatabaseUnreachableError =>
  new DatabaseUnreachableError(
    `The database cannot be reached (${reason}): check DATABASE_URL or the DB_* variables.`,
    { cause },
  );

const parameterError = (reason: string): ConfigError =>
  new ConfigError([
    `The pooler refuses the connection (${reason}): remove the parameter from DATABASE_URL, or add it to ignore_startup_parameters of PgBouncer.`,
  ]);

const poolerError = (isDirect: boolean): ConfigError =>
  new ConfigError([
    isDirect
      ? 'DATABASE_DIRECT_URL leads to a pooler in transaction mode: set it to the address of PostgreSQL itself.'
      : 'The database is behind a pooler in transaction mode, which drops LISTEN, session locks and prepared statements: set DATABASE_DIRECT_URL to the address of PostgreSQL itself, or use session mode.',
  ]);

/** Finds out whether TLS is used where `sslmode` leaves that to the server. The result holds until the next start. */
function settle(
  { sslFallback, ...connection }: DatabaseConnection,
  log: Logger,
  waitMs: number | undefined,
): Promise<DatabaseConnection> {
  if (sslFallback === undefined) return Promise.resolve(connection);
  return whenReachable(log, () => probe(connection).catch(() => probe({ ...connection, ssl: sslFallback })), waitMs);
}

/** Connects once and returns the connection. */
const probe = (connection: DatabaseConnection): Promise<DatabaseConnection> =>
  withClient(connection, () => Promise.resolve(connection));

/**
 * Whether every connection keeps a server process of its own. A pooler in transaction mode gives one process to several
 * clients, or several to one. The number of queries varies, so that a pooler that takes its processes in turn shows too.
 */
const keepsSessions = (connection: DatabaseConnection): Promise<boolean> =>
  withClient(connection, (one) =>
    withClient(connection, async (other) => {
      const expected = [await processOf(one), await processOf(other)];
      if (expected[0] === expected[1]) return false;
      for (let round = 1; round <= ROUNDS; round++) {
        for (let i = 0; i < round; i++) if ((await processOf(one)) !== expected[0]) return false;
        if ((await processOf(other)) !== expected[1]) return false;
      }
      return true;
    }),
  );

async function processOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]!.pid;
}

/** Locks belong to one database of one server: a lock taken on one way is not free on the other. */
const isSameDatabase = (connection: DatabaseConnection, direct: DatabaseConnection): Promise<boolean> =>
  withClient(direct, (holder) =>
    withClient(connection, async (client) => {
      const key = [randomInt(2 ** 31), randomInt(2 ** 31)];
      await holder.query('select pg_advisory_lock($1, $2)', key);
      const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_xact_lock($1, $2) as taken', key);
      return !rows[0]!.taken;
    }),
  );

/** Settings that Machi relies on, and cannot change through a pooler: how to correct them. */
const findWrongSettings = (connection: DatabaseConnection): Promise<string[]> =>
  withClient(connection, async (client) => {
    const values = [Object.keys(SESSION_SETTINGS)];
    const { rows } = await client.query<{ role: string; name: string; value: string }>(SELECT_SETTINGS, values);
    return rows.flatMap(({ role, name, value }) => {
      const wanted = SESSION_SETTINGS[name as keyof typeof SESSION_SETTINGS];
      if (value.split(',')[0] === wanted) return []; // datestyle has a second part, which does not matter
      return `Connections of the pooler have ${name} = '${value}': run "alter role ${role} set ${name} = '${wanted}'" and restart the pooler.`;
    });
  });

/** Without the settings of the pool, which a pooler would hand to other clients. */
async function withClient<T>(connection: DatabaseConnection, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(clientConfig(connection));
  client.on('error', () => undefined); // a query rejects as well
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

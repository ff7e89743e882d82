import type { Client } from 'pg';
import type { Config } from '../../config/config.js';
import { connectClient } from '../../database/connections/client-config.js';
import { listMigrations } from '../../database/open-database.js';
import type { ReachedDatabase } from '../../database/connections/reach-database.js';
import { NationalIdsService } from '../../national-ids/national-ids.service.js';
import { type Check, error, ok, warning } from './check.js';

const EXTENSIONS = ['btree_gin', 'citext', 'pg_trgm', 'unaccent'];
/** Connections of a process besides its pool, see docs/operations.md. */
const FURTHER_CONNECTIONS = 4;
const CLOCK_WARNING_MS = 2_000;
const CLOCK_ERROR_MS = 30_000;

const FACTS = `select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
    current_setting('server_encoding') as encoding, current_user::text as role,
    current_setting('transaction_read_only') = 'on' as is_read_only,
    lower('I' collate "default") = 'i' as folds_case,
    (select rolsuper from pg_roles where rolname = current_user) as is_superuser,
    (select rolconnlimit from pg_roles where rolname = current_user) as role_limit,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as connections,
    coalesce(has_schema_privilege(current_schema(), 'create'), false) as can_create,
    pg_size_pretty(pg_database_size(current_database())) as size`;

interface Facts {
  version: string;
  number: number;
  encoding: string;
  role: string;
  is_read_only: boolean;
  folds_case: boolean;
  is_superuser: boolean;
  role_limit: number;
  connections: number;
  can_create: boolean;
  size: string;
}

const FOREIGN_TABLES = `select c.relname::text as name from pg_class c where c.relnamespace = current_schema()::regnamespace
  and c.relkind in ('r', 'p') and not pg_has_role(c.relowner, 'usage') order by 1`;

const EXTENSION_STATES = `select a.name, a.installed_version is not null as is_installed
  from pg_available_extensions a where a.name = any ($1)`;

/** $1 the ids of the configured encryption keys. */
const UNREADABLE_IDS = `select
    (select count(*)::int from users where substring(encrypted_nid from 1 for 4) <> all ($1)) +
    (select count(*)::int from vaccination_registrations where substring(id_number from 1 for 4) <> all ($1)) as count`;

/** Checks a database that can be reached. That it keeps sessions has been found out by reaching it. */
export async function examineDatabase(config: Config, { connection, direct }: ReachedDatabase): Promise<Check[]> {
  const client = await connectClient(direct ?? connection);
  try {
    const { rows } = await client.query<Facts>(FACTS);
    const facts = rows[0]!;
    return [
      checkVersion(facts),
      checkPooler(config, direct !== undefined),
      ...(await checkRights(client, facts)),
      await checkExtensions(client),
      checkText(facts),
      checkConnections(config, facts),
      await checkClock(client),
      ...(await checkSchema(client, config).catch((failure: Error) => [unreadable(failure)])),
    ];
  } finally {
    await client.end();
  }
}

function checkVersion({ version, number, size }: Facts): Check {
  if (number >= 150_000) return ok('database version', `PostgreSQL ${version}, ${size}`);
  return error('database version', `PostgreSQL ${version}`, 'Upgrade to PostgreSQL 15 or newer.');
}

function checkPooler({ database }: Config, isPooled: boolean): Check {
  if (!database) return ok('database connection', 'the embedded PostgreSQL');
  return ok(
    'database connection',
    isPooled ? 'by DATABASE_URL, and around it by DATABASE_DIRECT_URL' : 'keeps sessions',
  );
}

async function checkRights(client: Client, { role, is_superuser, can_create, is_read_only }: Facts): Promise<Check[]> {
  const name = 'database rights';
  const checks: Check[] = [];
  if (is_read_only) {
    checks.push(error(name, 'the database is read-only', 'Connect to the primary server, or end the maintenance.'));
  }
  if (!can_create) {
    const grant = `grant create, usage on schema public to ${role}`;
    checks.push(error(name, `the role ${role} may not create tables, which migrations do`, `Run: ${grant};`));
  }
  const { rows } = await client.query<{ name: string }>(FOREIGN_TABLES);
  if (rows.length > 0) {
    const tables = rows.map((row) => row.name).join(', ');
    checks.push(
      error(name, `the role ${role} does not own ${tables}`, `Run for each: alter table … owner to ${role};`),
    );
  }
  if (is_superuser) {
    const remedy = 'Give Machi a role that owns its database and has no other right (deploy/create-role.sql).';
    checks.push(warning(name, `the role ${role} is a superuser`, remedy));
  }
  return checks.length > 0 ? checks : [ok(name, `the role ${role} owns the tables and may create more`)];
}

async function checkExtensions(client: Client): Promise<Check> {
  const { rows } = await client.query<{ name: string; is_installed: boolean }>(EXTENSION_STATES, [EXTENSIONS]);
  const unavailable = EXTENSIONS.filter((name) => !rows.some((row) => row.name === name));
  if (unavailable.length > 0) {
    const remedy = 'Install the contrib package of the PostgreSQL server.';
    return error('database extensions', `the server does not offer ${unavailable.join(', ')}`, remedy);
  }
  const missing = rows.filter(({ is_installed }) => !is_installed).map(({ name }) => name);
  if (missing.length === 0) return ok('database extensions', EXTENSIONS.join(', '));
  const statements = missing.map((name) => `create extension ${name};`).join(' ');
  return warning(
    'database extensions',
    `${missing.join(', ')} are created by migrations`,
    `If those fail, run: ${statements}`,
  );
}

function checkText({ encoding, folds_case }: Facts): Check {
  const remedy = 'Create the database again with encoding UTF8 and the locale C.UTF-8.';
  if (encoding !== 'UTF8') return error('database text', `the encoding is ${encoding}`, remedy);
  if (!folds_case) return error('database text', 'the locale treats "I" and "i" as different letters', remedy);
  return ok('database text', 'UTF8');
}

function checkConnections({ DB_POOL_SIZE }: Config, { connections, role_limit }: Facts): Check {
  const available = role_limit < 0 ? connections : Math.min(connections, role_limit);
  const needed = DB_POOL_SIZE + FURTHER_CONNECTIONS;
  const detail = `${available} connections; one server needs up to ${needed}`;
  if (available >= needed) return ok('database connections', detail);
  return warning('database connections', detail, 'Lower DB_POOL_SIZE, or raise max_connections of PostgreSQL.');
}

/** The database's clock must lie between the time of asking and that of the answer. */
async function checkClock(client: Client): Promise<Check> {
  const asked = Date.now();
  const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now');
  const answered = Date.now();
  const now = rows[0]!.now.getTime();
  const difference = Math.max(0, asked - now, now - answered);
  const detail = `${(difference / 1000).toFixed(1)} s from the clock of this machine`;
  if (difference < CLOCK_WARNING_MS) return ok('database clock', detail);
  const remedy = 'Synchronise the clocks of both machines (NTP).';
  return difference < CLOCK_ERROR_MS
    ? warning('database clock', detail, remedy)
    : error('database clock', detail, remedy);
}

async function checkSchema(client: Client, config: Config): Promise<Check[]> {
  const { rows: exists } = await client.query(`select where to_regclass('migrations') is not null`);
  const { rows } =
    exists.length > 0 ? await client.query<{ name: string }>('select name from migrations') : { rows: [] };
  const ran = new Set(rows.map(({ name }) => name));
  const known = listMigrations();
  const pending = known.filter((name) => !ran.has(name));
  if (pending.length > 0) {
    const isAutomatic = config.MIGRATE === 'on';
    const remedy = isAutomatic ? 'The next start of a server runs them.' : 'Run "machi migrate".';
    const detail = `${pending.length} of ${known.length} are pending`;
    return [isAutomatic ? warning('migrations', detail, remedy) : error('migrations', detail, remedy)];
  }
  const newer = [...ran].filter((name) => !known.includes(name));
  const state =
    newer.length === 0
      ? ok('migrations', `all ${known.length} have run`)
      : warning('migrations', `a newer version has run ${newer.join(', ')}`, 'Use that version of Machi.');
  return [state, await checkAdministrators(client), await checkNationalIds(client, config)];
}

/** The checks before this one tell more: that tables belong to another role, for example. */
const unreadable = ({ message }: Error): Check =>
  error('migrations', `the tables cannot be read (${message})`, 'Give the role of Machi the ownership of the tables.');

async function checkAdministrators(client: Client): Promise<Check> {
  const { rows } = await client.query<{ can: boolean; has_users: boolean }>(
    'select administrator_can_sign_in() as can, exists (select from users) as has_users',
  );
  const { can, has_users } = rows[0]!;
  if (can) return ok('administrators', 'at least one can sign in');
  if (!has_users) return ok('administrators', 'the first start of a server creates one');
  return error(
    'administrators',
    'no active administrator can sign in',
    'Run "machi admin reset" or "machi admin create".',
  );
}

async function checkNationalIds(client: Client, config: Config): Promise<Check> {
  const ids = new NationalIdsService(config).encryptionKeyIds;
  const { rows } = await client.query<{ count: number }>(UNREADABLE_IDS, [ids]);
  const { count } = rows[0]!;
  if (count === 0) return ok('national ids', 'all are encrypted with configured keys');
  const detail = `${count} are encrypted with a key that is not configured`;
  return error('national ids', detail, 'Add the former key to ACCEPTED_NATIONAL_ID_KEYS.');
}

import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { databaseEnv } from '../support/setup/database.js';
import { admin, dropDatabase } from '../support/setup/global-setup.js';
import { query } from '../support/servers/postgres-server.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';

const name = `machi_empty_${randomBytes(6).toString('hex')}`;
const database = databaseEnv({ ...inject('connection'), database: name });

let folder: ReturnType<typeof dataFolder>;
const running: MachiProcess[] = [];
beforeEach(async () => {
  folder = dataFolder();
  await admin(inject('connection'), `create database ${name}`);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((machi) => machi.kill('SIGTERM')));
  await dropDatabase(inject('connection'), name);
  folder.remove();
});

function begin(env: Record<string, string>, program?: string): MachiProcess {
  const machi = launch({ DATA_DIR: folder.path, MIGRATE: 'off', ...env }, program);
  running.push(machi);
  return machi;
}

it('with MIGRATE=off a process exits with 1 on an old schema, and starts after migrate.js has run', async () => {
  const early = begin(database);
  expect(await early.ended).toBe(1);
  expect(early.output()).toBe(
    'The database lacks migrations of this version: run "machi migrate", or set MIGRATE to on.\n',
  );
  const jobs = [begin(database, 'migrate'), begin(database, 'migrate')]; // at once: one waits for the other
  expect(await Promise.all(jobs.map(({ ended }) => ended))).toEqual([0, 0]);
  const machi = await whenServing(begin(database));
  expect((await fetch(`${machi.url}/api/health/ready`)).status).toBe(200);
});

it('migrate.js does not depend on the settings of the database, and two at once wait for each other', async () => {
  const settings = {
    default_transaction_isolation: 'serializable',
    datestyle: 'SQL, DMY',
    standard_conforming_strings: 'off',
    quote_all_identifiers: 'on',
    lock_timeout: '50ms',
    timezone: 'Asia/Kathmandu',
  };
  for (const [key, value] of Object.entries(settings)) {
    await admin(inject('connection'), `alter database ${name} set ${key} to '${value}'`);
  }
  const jobs = [begin(database, 'migrate'), begin(database, 'migrate')];
  expect(await Promise.all(jobs.map(({ ended }) => ended))).toEqual([0, 0]);
});

it('migrate.js exits with 78 for invalid settings and for the embedded database', async () => {
  const production = begin({ ...database, NODE_ENV: 'production' }, 'migrate');
  expect(await production.ended).toBe(78);
  expect(production.output()).toContain('SECRET_KEY is missing');
  const embedded = begin({}, 'migrate');
  expect(await embedded.ended).toBe(78);
  expect(embedded.output()).toContain('DATABASE_URL is missing');
});

it('a role that may not create tables ends the start with one sentence, not with a stack trace', async () => {
  await query({ ...inject('connection'), database: name }, 'revoke create on schema public from pg_database_owner');
  const machi = begin({ ...database, MIGRATE: 'on' });
  expect(await machi.ended).toBe(1);
  expect(machi.output()).toMatch(
    /^Migrating the database failed \(.*permission denied.*\): give the role the right .*\n$/,
  );
});

it('a role that may not create extensions ends the start with a sentence that names the remedy', async () => {
  const { user } = inject('connection');
  await query({ ...inject('connection'), database: name }, `revoke create on database ${name} from ${user}`);
  const machi = begin({ ...database, MIGRATE: 'on' });
  expect(await machi.ended).toBe(1);
  expect(machi.output()).toMatch(
    /^Migrating the database failed \(.*create extension "citext"\): make the role the owner of the database, or .*$/m,
  );
});

it('a database in another encoding than UTF8 is refused before anything is migrated', async () => {
  const latin = { ...inject('connection'), database: `${name}_latin` };
  await admin(latin, `create database ${latin.database} encoding LATIN1 locale 'C' template template0`);
  const machi = begin({ ...databaseEnv(latin), MIGRATE: 'on' });
  expect([await machi.ended, machi.output()]).toEqual([
    1,
    'The encoding of the database is LATIN1: create the database again with encoding UTF8 and the locale C.UTF-8.\n',
  ]);
  const tables = await query(latin, `select from pg_class where relname in ('migrations', 'users')`);
  await dropDatabase(latin, latin.database);
  expect(tables).toEqual([]);
});

it('a read-only database with missing migrations ends the start with one sentence', async () => {
  await admin(inject('connection'), `alter database ${name} set default_transaction_read_only = on`);
  const machi = begin({ ...database, MIGRATE: 'on' });
  expect(await machi.ended).toBe(1);
  expect(machi.output()).toMatch(
    /^Migrating the database failed \(.*read-only.*\): connect to the primary server\.\n$/,
  );
});

it('a DATABASE_URL whose search_path does not lead to the migrated tables ends the start with one sentence', async () => {
  const { host, port, user, password } = inject('connection');
  const url = `postgres://${user}:${password}@/${name}?host=${encodeURIComponent(host)}&port=${port}`;
  const machi = begin({
    MIGRATE: 'on',
    DATABASE_URL: `${url}&options=${encodeURIComponent('-c search_path=elsewhere')}`,
    DATABASE_DIRECT_URL: url,
  });
  expect(await machi.ended).toBe(1);
  expect(machi.output()).toMatch(/^DATABASE_URL does not lead to the tables that were migrated: .*$/m);
});

it('a process that starts while the database is read-only serves reads, and is ready when the database accepts changes', async () => {
  const first = await whenServing(begin({ ...database, MIGRATE: 'on' }));
  await first.kill('SIGTERM');
  await admin(inject('connection'), `alter database ${name} set default_transaction_read_only = on`);
  const machi = await whenServing(begin({ ...database, MIGRATE: 'on' }));
  const statusOf = async (path: string) => (await fetch(machi.url + path)).status;
  expect(await statusOf('/api/health/ready')).toBe(503);
  expect(await statusOf('/api/projects')).toBe(200);
  await admin(inject('connection'), `alter database ${name} set default_transaction_read_only = off`);
  await expect.poll(() => statusOf('/api/health/ready')).toBe(200);
});

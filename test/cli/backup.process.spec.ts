import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { LIVE_STATES } from '../../src/avatars/avatar.entity.js';
import { AvatarFilesWorker } from '../../src/avatars/avatar-files.worker.js';
import { avatarIdOf } from '../../src/avatars/avatar-files.service.js';
import { packageRoot } from '../../src/common/version.js';
import type { DatabaseConnection } from '../../src/config/database/database-connection.js';
import { ADVISORY_LOCKS } from '../../src/database/advisory-locks.js';
import { clientConfig } from '../../src/database/connections/client-config.js';
import { Storage } from '../../src/storage/storage.js';
import { startApp, type TestApp } from '../support/app.js';
import { insertPerson } from '../support/vaccination/bookings.js';
import { connectUsers, createConversation } from '../support/clients/chat-client.js';
import { databaseEnv } from '../support/setup/database.js';
import { admin, dropDatabase } from '../support/setup/global-setup.js';
import { imageFile, upload } from '../support/files/images.js';
import { cli } from '../support/clients/machi-cli.js';
import { startS3 } from '../support/servers/s3-server.js';
import { keysOf } from '../support/storage.js';
import { vaccinationWorld } from '../support/vaccination/vaccination.js';

const folder = mkdtempSync(join(tmpdir(), 'machi-backup-'));
const file = join(folder, 'machi.tar');
const targets: DatabaseConnection[] = [];
let t: TestApp;
let s3: Awaited<ReturnType<typeof startS3>> | undefined;
/** The settings of the installation that is backed up. */
let source: Record<string, string>;

beforeAll(async () => {
  t = await startApp({ env: { AVATAR_MODERATION: 'off' } });
  const { SECRET_KEY, NATIONAL_ID_KEY, NATIONAL_ID_INDEX_KEY, DATA_DIR } = t.config;
  const keys = { SECRET_KEY, NATIONAL_ID_KEY, NATIONAL_ID_INDEX_KEY };
  source = { ...databaseEnv(t.connection), ...keys, DATA_DIR };
});
afterAll(async () => {
  await s3?.remove();
  await t.stop();
  for (const target of targets) await dropDatabase(target, target.database);
  rmSync(folder, { recursive: true, force: true });
});

/** The settings of an empty installation with the same keys. */
async function emptyInstallation(env: Record<string, string> = {}) {
  const connection = { ...inject('connection'), database: `machi_restored_${randomBytes(6).toString('hex')}` };
  await admin(connection, `create database ${connection.database}`);
  targets.push(connection);
  const settings = { ...source, ...databaseEnv(connection), DATA_DIR: mkdtempSync(join(folder, 'data-')), ...env };
  return { connection, settings, run: cli(() => settings) };
}

it('a backup during uploads, messages and bookings restores to a state in which every row has its files', async () => {
  const world = await vaccinationWorld(t);
  const session = await world.session({ capacity: 500 });
  const chatters = await connectUsers(t, 2);
  const conversation_id = await createConversation(...chatters);
  const images = await Promise.all([1, 2, 3].map((seed) => imageFile(seed)));
  const owners = await Promise.all(Array.from({ length: 12 }, () => t.user()));
  await Promise.all(owners.map((owner) => upload(t, owner, images[0]!)));

  const done = new AbortController();
  const until = async (work: (round: number) => Promise<unknown>): Promise<void> => {
    for (let round = 1; !done.signal.aborted; round++) await work(round);
  };
  const worker = t.app.get(AvatarFilesWorker, { strict: false });
  const writers = [
    ...owners.slice(0, 3).map((owner) => until((round) => upload(t, owner, images[round % 3]!))),
    until(() => worker.deleteRemovedFiles()),
    until(async (round) => {
      chatters[0]!.send({ type: 'send_message', conversation_id, content: `message ${round}` });
      await chatters[0]!.next();
    }),
    until(async () => {
      const user = await t.user();
      const registration_id = await insertPerson(t, user);
      const body = { registration_id, session_id: session.id };
      await t.request('POST', '/api/vaccination/appointments', { token: user.token, body });
    }),
  ];
  const backup = await cli(() => source)('backup', file);
  done.abort();
  await Promise.all(writers);
  expect([backup.code, backup.body]).toEqual([0, expect.objectContaining({ file, created_keys: ['CERTIFICATE_KEY'] })]);
  expect(statSync(file).mode & 0o777).toBe(0o600);

  const target = await emptyInstallation();
  const restored = await target.run('restore', file);
  expect([restored.code, restored.body['rows']]).toEqual([0, backup.body['rows']]);

  const { settings, connection } = target;
  const copy = await startApp({ database: connection, env: settings });
  const ids = async (sql: string, values: unknown[] = []) =>
    (await copy.dataSource.query<{ id: unknown }[]>(sql, values)).map(({ id }) => id);
  const avatars = await ids('select id from avatars where state = any ($1)', [LIVE_STATES]);
  const stored = new Set((await keysOf(copy.app.get(Storage, { strict: false }).list('avatars/'))).map(avatarIdOf));
  expect(avatars.filter((id) => !stored.has(id as string))).toEqual([]);
  for (const { id } of owners) {
    const { status, headers } = await copy.request('GET', `/api/users/${id}/avatar`, {});
    const { status: shown } = await copy.request('GET', headers.get('location')?.replace(copy.url, '') ?? '/', {});
    expect([status, shown]).toEqual([302, 200]);
  }
  const gaps = `select conversation_id as id from messages group by 1 having max(sequence) <> count(*)`;
  const miscounted = `select s.id from vaccination_sessions s where booked <>
    (select count(*) from vaccination_appointments a where a.session_id = s.id and a.status = 'booked')`;
  expect([await ids(gaps), await ids(miscounted)]).toEqual([[], []]);
  expect((await ids('select id from messages')).length).toBeGreaterThan(0);
  // Sequences go on, triggers work again.
  const token = await copy.signIn(owners[0]!.username, owners[0]!.password);
  expect((await copy.request('GET', '/api/users/me', { token })).status).toBe(200);
  await expect(copy.dataSource.query('delete from audit_events')).rejects.toMatchObject({ code: 'MA002' });
  await expect(copy.dataSource.query('truncate audit_events')).rejects.toMatchObject({ code: 'MA002' });
  await copy.stop();

  const again = await target.run('restore', file);
  expect([again.code, again.body.error?.code]).toEqual([1, 'target_not_empty']);
});

it('a damaged backup leaves neither rows nor files, so that a good one can be restored, also into a bucket', async () => {
  s3 = await startS3();
  const target = await emptyInstallation(s3.env);
  const [damaged, short] = [join(folder, 'damaged.tar'), join(folder, 'short.tar')];
  const bytes = readFileSync(file);
  const place = bytes.lastIndexOf('VP8'); // in a picture
  bytes[place + 40]! ^= 1;
  writeFileSync(damaged, bytes);
  copyFileSync(file, short);
  truncateSync(short, Math.floor(bytes.length / 2 / 512) * 512);
  for (const name of [damaged, short]) {
    const { code, body } = await target.run('restore', name);
    expect([code, body.error?.code]).toEqual([65, 'backup_damaged']);
  }
  const good = await target.run('restore', file);
  expect(good).toMatchObject({ code: 0 });
  const second = join(folder, 'second.tar');
  const again = await target.run('backup', second);
  expect([again.body['files'], again.body['rows']]).toEqual([good.body['files'], good.body['rows']]);
});

it('of two backups into one file at once, one is whole and the other is refused', async () => {
  const shared = join(folder, 'shared.tar');
  const client = new Client(clientConfig(t.connection));
  await client.connect();
  await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCKS.fileDeletions]); // both open their file, then wait
  const backups = [cli(() => source)('backup', shared), cli(() => source)('backup', shared)];
  await expect
    .poll(
      async () => {
        const sql = `select count(*)::int as n from pg_locks where locktype = 'advisory' and not granted and objid = $1`;
        return (await client.query<{ n: number }>(sql, [ADVISORY_LOCKS.fileDeletions])).rows[0]!.n;
      },
      { timeout: 20_000 },
    )
    .toBe(2);
  await client.end();
  const results = await Promise.all(backups);
  expect(results.map(({ code, body }) => `${code} ${body.error?.code}`).toSorted()).toEqual([
    '0 undefined',
    '73 cannot_create',
  ]);
  expect(await cli(() => source)('restore', '--verify-only', shared)).toMatchObject({ code: 0 });
  expect(readdirSync(folder).filter((name) => name.includes('unfinished'))).toEqual([]);
});

it.each(['SIGINT', 'SIGHUP'] as const)(
  '%s ends a restore from a pipe that has stopped, which leaves nothing',
  async (name) => {
    const target = await emptyInstallation();
    const command = spawn(process.execPath, [join(packageRoot(), 'dist/src/cli/machi.js'), '--json', 'restore', '-'], {
      env: { PATH: process.env['PATH'], NODE_ENV: 'development', ...target.settings },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    command.stdin.on('error', () => undefined);
    const bytes = readFileSync(file);
    command.stdin.write(bytes.subarray(0, Math.floor((bytes.length * 3) / 4))); // the pipe stays open
    const uploads = join(target.settings.DATA_DIR, 'uploads');
    const files = () => (existsSync(uploads) ? readdirSync(uploads, { recursive: true, withFileTypes: true }) : []);
    await expect.poll(() => files().filter((each) => each.isFile()).length, { timeout: 20_000 }).toBeGreaterThan(0);
    command.kill(name);
    const [output] = await Promise.all([text(command.stdout), once(command, 'close')]);
    expect([command.exitCode, output]).toEqual([1, expect.stringContaining('"interrupted"')]);
    expect(files().filter((each) => each.isFile())).toEqual([]);
    expect(await target.run('restore', file)).toMatchObject({ code: 0 });
  },
);

it('restore refuses messages without a sender', async () => {
  const trigger = (change: string) => t.dataSource.query(`alter table messages ${change} trigger keep_references`);
  await trigger('disable');
  await t.dataSource.query('update messages set sender_id = 1000000 where id = (select min(id) from messages)');
  await trigger('enable');
  const orphans = join(folder, 'orphans.tar');
  expect(await cli(() => source)('backup', orphans)).toMatchObject({ code: 0 });
  const target = await emptyInstallation();
  const { code, body } = await target.run('restore', orphans);
  expect([code, body.error?.code]).toEqual([65, 'backup_damaged']);
});

it('backup and restore refuse files that exist, are missing or are no backup, and keys that do not fit', async () => {
  const target = await emptyInstallation();
  const other = cli(() => ({ ...target.settings, NATIONAL_ID_KEY: randomBytes(32).toString('hex') }));
  const nothing = join(folder, 'nothing.tar');
  writeFileSync(nothing, '');
  const results = await Promise.all([
    target.run('backup', file),
    target.run('backup', join(folder, 'missing/machi.tar')),
    target.run('restore', join(folder, 'missing.tar')),
    target.run('restore', '--verify-only', nothing),
    other('restore', file),
    target.run('restore', '--verify-only', file),
  ]);
  expect(results.map(({ code, body }) => [code, body.error?.code])).toEqual([
    [73, 'cannot_create'],
    [73, 'cannot_create'],
    [66, 'cannot_read'],
    [65, 'backup_damaged'],
    [78, 'keys_differ'],
    [0, undefined],
  ]);
  expect(results[4].body.error!.message).toContain('NATIONAL_ID_KEY');
  const all = results.map(({ output }) => output).join('');
  for (const name of ['SECRET_KEY', 'NATIONAL_ID_KEY', 'DB_PASSWORD']) expect(all).not.toContain(source[name]);
});

it('a restore that cannot store the keys of the backup leaves neither rows nor files, and can be repeated', async () => {
  const target = await emptyInstallation();
  const blocked = join(target.settings.DATA_DIR, 'certificate-key.pem.restored');
  mkdirSync(blocked);
  const failed = await target.run('restore', file);
  expect([failed.code, failed.body.error]).toEqual([
    73,
    { code: 'cannot_create', message: expect.stringMatching(/certificate-key\.pem cannot be written \(.*\)\.$/) },
  ]);
  rmSync(blocked, { recursive: true });
  expect((await target.run('restore', file)).code).toBe(0);
});

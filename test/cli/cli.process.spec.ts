import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { cli } from '../support/clients/machi-cli.js';
import { createDatabase, databaseEnv, type TestDatabase } from '../support/setup/database.js';
import { admin, dropDatabase } from '../support/setup/global-setup.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';
import { freePort, query } from '../support/servers/postgres-server.js';

const PASSWORD = 'quiet lantern forty';

async function signIn(url: string, login: string, password: string): Promise<{ status: number; token?: string }> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
  const response = await fetch(`${url}/api/sessions`, { ...init, body: JSON.stringify({ login, password }) });
  const { identity_token: token } = (await response.json()) as { identity_token?: string };
  return { status: response.status, ...(token === undefined ? {} : { token }) };
}

describe('the first administrator', () => {
  const folder = dataFolder();
  const restored = dataFolder();
  let password: string | undefined;
  afterAll(() => [folder, restored].forEach(({ remove }) => remove()));

  it('can sign in with the password that a start printed which failed because PORT was taken', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const PORT = String((occupant.address() as AddressInfo).port);
    const failed = launch({ DATA_DIR: folder.path, PORT });
    expect(await failed.ended).toBe(78);
    occupant.close();
    password = /the password (\S+) \(/.exec(failed.output())?.[1];
    const machi = await whenServing(launch({ DATA_DIR: folder.path }));
    expect((await signIn(machi.url, 'admin', password!)).status).toBe(201);
    await machi.kill('SIGTERM');
  });

  it('is still signed in on a DATA_DIR that was restored from a backup of the running server', async () => {
    const machi = await whenServing(launch({ DATA_DIR: folder.path }));
    const { token } = await signIn(machi.url, 'admin', password!);
    const file = join(folder.path, 'machi.tar');
    const backup = await cli(() => ({ DATA_DIR: folder.path }))('backup', file);
    expect(backup).toMatchObject({
      code: 0,
      body: { created_keys: ['SECRET_KEY', 'NATIONAL_ID_KEY', 'NATIONAL_ID_INDEX_KEY', 'CERTIFICATE_KEY'] },
    });
    await machi.kill('SIGTERM');
    expect(await cli(() => ({ DATA_DIR: restored.path }))('restore', file)).toMatchObject({ code: 0 });
    const copy = await whenServing(launch({ DATA_DIR: restored.path }));
    const me = await fetch(`${copy.url}/api/users/me`, { headers: { authorization: `Bearer ${token}` } });
    expect([me.status, await me.json()]).toEqual([200, expect.objectContaining({ username: 'admin' })]);
    await copy.kill('SIGTERM');
  });
});

describe('machi, while a server runs,', () => {
  const folder = dataFolder();
  let database: TestDatabase;
  let machi: MachiProcess;
  let settings: Record<string, string>;
  const run = cli(() => settings);
  beforeAll(async () => {
    database = await createDatabase();
    const METRICS_PORT = String(await freePort()); // in use by the server when a command starts
    settings = { ...database.env, DATA_DIR: folder.path, METRICS_PORT };
    machi = await whenServing(launch({ ...settings, ADMIN_PASSWORD: PASSWORD }));
  });
  afterAll(async () => {
    await machi.kill('SIGTERM');
    await database.drop();
    folder.remove();
  });

  const get = async (path: string, token?: string) => {
    const response = await fetch(`${machi.url}/api/${path}`, { headers: { authorization: `Bearer ${token}` } });
    return { status: response.status, body: (await response.json()) as { items?: object[] } };
  };

  it('admin reset prints a new password, ends the sessions of the old one, and is audited', async () => {
    const before = await signIn(machi.url, 'admin', PASSWORD);
    const { code, body } = await run('admin', 'reset');
    const { username, password } = body as { username: string; password: string };
    expect([code, username]).toEqual([0, 'admin']);
    expect((await get('users/me', before.token)).status).toBe(401);
    expect((await signIn(machi.url, 'admin', PASSWORD)).status).toBe(401);
    const after = await signIn(machi.url, 'admin', password);
    expect(after.status).toBe(201);
    const { body: audit } = await get('audit?action=user.password_reset', after.token);
    expect(audit.items).toEqual([expect.objectContaining({ actor_id: null, details: { by: 'operator' } })]);
  });

  it('admin create makes an administrator, user unlock ends the wait after failed sign-ins', async () => {
    const { code, body, output } = await run('admin', 'create', 'second.admin', '--email', 'second@example.org');
    const { password, ...rest } = body as { password: string };
    expect([code, rest, output.split(password)]).toEqual([
      0,
      { username: 'second.admin' },
      [expect.anything(), expect.anything()],
    ]);
    const { token } = await signIn(machi.url, 'second.admin', password);
    const { body: audit } = await get('audit?action=user.created', token);
    expect(audit.items).toEqual([expect.objectContaining({ actor_id: null, details: { by: 'operator' } })]);

    let status = 0;
    while (status !== 429) ({ status } = await signIn(machi.url, 'second.admin', 'wrong'));
    expect((await signIn(machi.url, 'second.admin', password)).status).toBe(429);
    expect(await run('user', 'unlock', 'Second.Admin')).toMatchObject({ code: 0, body: { username: 'second.admin' } });
    expect((await signIn(machi.url, 'second.admin', password)).status).toBe(201);
  });

  it.each([
    [1, 'user_not_found', ['user', 'unlock', 'unknown']],
    [1, 'username_taken', ['admin', 'create', 'ADMIN']],
    [1, 'validation_failed', ['admin', 'create', 'a b', '--email', 'none']],
    [1, 'sql_refused', ['psql', '-c', 'select unknown']],
    [64, 'usage', ['keys', 'rotate', 'front-door']],
    [78, 'not_rotatable', ['keys', 'rotate']],
  ])('exits with %i and the code %s for %j', async (exitCode, errorCode, args) => {
    const { code, body, output } = await run(...args);
    expect([code, body.error?.code]).toEqual([exitCode, errorCode]);
    expect(output).not.toContain(' at ');
  });

  it('exits with 73 and a sentence when its result cannot be written', async () => {
    const stdout = openSync('/dev/full', 'w');
    const { ended, output } = launch(settings, 'cli/machi', { args: ['migrate', '--plan'], stdout });
    closeSync(stdout);
    expect([await ended, output()]).toEqual([73, expect.stringMatching(/^The result cannot be written.*ENOSPC.*\n$/)]);
  });

  it('explains each command with --help', async () => {
    const lines = launch({}, 'cli/machi', { args: ['--help'] });
    expect(await lines.ended).toBe(0);
    expect(lines.stdout()).toContain('Exit codes: 0 done');
    const commands = [...lines.stdout().matchAll(/^ {2}(\w[\w-]*) /gm)].map(([, name]) => name!);
    const { ended, stdout } = launch({}, 'cli/machi', { args: ['keys', 'rotate', '--help'] });
    expect([await ended, stdout()]).toEqual([0, expect.stringContaining('announce')]);
    expect(commands).toEqual(
      expect.arrayContaining([
        'admin',
        'user',
        'keys',
        'config',
        'migrate',
        'sweep',
        'backup',
        'restore',
        'doctor',
        'psql',
        'national-ids',
      ]),
    );
  });

  it('sweep runs every sweeper, migrate finds nothing to do, national-ids rotate renews nothing', async () => {
    const [swept, migrated, plan, rotated] = await Promise.all([
      run('sweep'),
      run('migrate'),
      run('migrate', '--plan'),
      run('national-ids', 'rotate'),
    ]);
    expect(swept).toMatchObject({ code: 0, body: { failed: 0 } });
    expect(swept.body['sweepers']).toHaveLength(19);
    expect([migrated.body, plan.body, rotated.body]).toEqual([
      { migrated: [] },
      { pending: [], unknown: [] },
      { renewed: 0, failed: 0 },
    ]);
  });

  it('psql answers with rows, and passes no password to the program psql as an argument', async () => {
    const { body } = await run('psql', '-c', "select username from users order by 1; update users set fullname = 'A'");
    const rows = [{ username: 'admin' }, { username: 'second.admin' }];
    expect(body).toEqual({
      results: [
        { command: 'SELECT', row_count: 2, rows },
        { command: 'UPDATE', row_count: 2, rows: [] },
      ],
    });
    const text = launch(settings, 'cli/machi', { args: ['psql', '-c', 'select 6 * 7 as answer'] });
    expect([await text.ended, text.stdout()]).toEqual([0, expect.stringMatching(/answer[\s\S]*42/)]);
  });

  it('doctor finds a healthy installation', async () => {
    settings['PUBLIC_URL'] = machi.url;
    const { code, body } = await run('doctor');
    delete settings['PUBLIC_URL'];
    expect([body['checks'], code]).toEqual([expect.anything(), 0]);
    expect(body).toMatchObject({ ok: true, errors: 0 });
    const names = (body['checks'] as { name: string; status: string }[]).filter(({ status }) => status === 'ok');
    expect([...new Set(names.map(({ name }) => name))].join(', ')).toBe(
      'settings, keys, database version, database connection, database rights, database extensions, database text, ' +
        'database connections, database clock, migrations, administrators, national ids, storage, proxy, disk',
    );
  });
});

describe('machi, without anything that it needs,', () => {
  const folder = dataFolder();
  const file = join(folder.path, 'file');
  const secret = randomBytes(24).toString('hex');
  const down = { DATABASE_URL: `postgres://machi:${secret}@127.0.0.1:1/machi`, DATA_DIR: folder.path };
  beforeAll(() => writeFileSync(file, ''));
  afterAll(() => folder.remove());

  it('exits with 69 within seconds when the database does not answer', async () => {
    const commands = [['migrate'], ['backup', '-'], ['psql', '-c', 'select'], ['user', 'unlock', 'admin']];
    const results = await Promise.all(commands.map((args) => cli(() => down)(...args)));
    expect(results.map(({ code }) => code)).toEqual([69, 69, 69, 69]);
    expect(results[0]!.body.error).toMatchObject({ code: 'database_unreachable' });
    expect(results.map(({ output }) => output).join('')).not.toContain(secret);
  });

  it('doctor names each fault with what to do, and exits with 1', async () => {
    const settings = {
      ...down,
      STORAGE_DIR: join(file, 'uploads'),
      SMTP_URL: `smtp://user:${secret}@127.0.0.1:1`,
      PUBLIC_URL: 'http://127.0.0.1:1',
    };
    const { code, body, output } = await cli(() => settings)('doctor');
    const faults = (body['checks'] as { name: string; status: string; remedy?: string }[]).filter(
      ({ remedy }) => remedy !== undefined,
    );
    expect(faults.map(({ name, status }) => `${status}: ${name}`)).toEqual([
      'error: database',
      'error: storage',
      'error: mail',
      'warning: proxy',
    ]);
    expect([code, body['ok']]).toEqual([1, false]);
    expect(output).not.toContain(secret);
  });

  it('config check lists settings without secrets and creates nothing, or names all errors and exits with 78', async () => {
    const empty = join(folder.path, 'empty');
    const valid = await cli(() => ({ ...down, DATA_DIR: empty, S3_REGION: 'eu-north-1' }))('config', 'check', '--show');
    expect(valid).toMatchObject({
      code: 0,
      body: { valid: true, settings: { DATABASE_URL: 'set', S3_REGION: 'eu-north-1', AUDIT_RETENTION: '365d' } },
    });
    expect(Object.keys(valid.body['settings'] as object).filter((name) => name.startsWith('ACCEPTED_'))).toEqual([]);
    expect(valid.output).not.toContain(secret);
    expect(readdirSync(folder.path)).not.toContain('empty');
    const wrong = await cli(() => ({ NODE_ENV: 'production', PORT: 'x' }))('config', 'check');
    expect([wrong.code, wrong.body.error?.code]).toEqual([78, 'config_invalid']);
    expect(wrong.body.error!.errors).toEqual(
      expect.arrayContaining([expect.stringContaining('PORT'), expect.stringContaining('SECRET_KEY is missing')]),
    );
  });

  it('config check names folders that cannot be written to, and creates none', async () => {
    const broken = { ...down, DATA_DIR: join(file, 'data'), STORAGE_DIR: file };
    const { code, body } = await cli(() => broken)('config', 'check');
    expect([code, body.error?.errors]).toEqual([
      78,
      [
        `DATA_DIR cannot be used (ENOTDIR, ${broken.DATA_DIR}): set it to a directory that this process can write to.`,
        `STORAGE_DIR cannot be used (ENOTDIR, ${file}): set it to a directory that this process can write to.`,
      ],
    ]);
    const bucket = { ...down, STORAGE_DIR: file, STORAGE: 's3', S3_BUCKET: 'b', S3_ACCESS_KEY_ID: 'i' };
    expect((await cli(() => ({ ...bucket, S3_SECRET_ACCESS_KEY: secret }))('config', 'check')).code).toBe(0);
  });

  it('migrate --plan and doctor name the cause when the role may not read the tables', async () => {
    const database = await createDatabase();
    await query(database.connection, 'revoke select on migrations from current_user');
    const run = cli(() => ({ ...database.env, DATA_DIR: folder.path }));
    const [plan, doctor] = await Promise.all([run('migrate', '--plan'), run('doctor')]);
    await database.drop();
    expect([plan.code, plan.body.error]).toEqual([
      1,
      {
        code: 'database_error',
        message: expect.stringMatching(/^Reading the table of migrations failed .* rights of the role\.$/),
      },
    ]);
    expect(doctor.body['checks']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'database rights', status: 'ok' }),
        expect.objectContaining({
          name: 'migrations',
          status: 'error',
          detail: expect.stringContaining('permission denied'),
        }),
      ]),
    );
  });

  it('migrate --plan lists the migrations of an empty database, migrate runs them', async () => {
    const connection = { ...inject('connection'), database: `machi_cli_${randomBytes(6).toString('hex')}` };
    await admin(connection, `create database ${connection.database}`);
    const run = cli(() => ({ ...databaseEnv(connection), DATA_DIR: folder.path }));
    const { body: plan } = await run('migrate', '--plan');
    const { body } = await run('migrate');
    expect(body['migrated']).toEqual(plan['pending']);
    expect(body['migrated']).toContain('Init1795257000000');
    await dropDatabase(connection, connection.database);
  });
});

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { components } from './support/api/openapi-types.js';
import { newKeys } from './support/app.js';
import { createDatabase, type TestDatabase } from './support/setup/database.js';
import { dataFolder, isAlive, launch, type MachiProcess, whenServing } from './support/servers/machi-process.js';

type Session = components['schemas']['SessionDto'];

const ADMIN_PASSWORD = 'quiet lantern forty';
const PASSWORD_LINE = /sign in as "admin" with the password (\S+)/;

const signIn = ({ url }: MachiProcess, password: string): Promise<Response> =>
  fetch(`${url}/api/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: 'admin', password }),
  });

const statusOfMe = async ({ url }: MachiProcess, { identity_token }: Session): Promise<number> =>
  (await fetch(`${url}/api/users/me`, { headers: { authorization: `Bearer ${identity_token}` } })).status;

const isReady = async ({ url }: MachiProcess): Promise<boolean> => {
  const response = await fetch(`${url}/api/health/ready`).catch(() => undefined);
  return response?.status === 200;
};

/** A raw connection that has sent the beginning of a request. */
function open({ url }: MachiProcess, beginning: string): { socket: Socket; answer: () => string } {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += String(chunk)));
  socket.on('error', () => undefined);
  socket.write(beginning);
  return { socket, answer: () => answer };
}

describe('two starts on one data folder', () => {
  const folder = dataFolder();
  let first: { output: string; password: string; session: Session; exitCode: number | null };
  let second: MachiProcess;
  beforeAll(async () => {
    const machi = await whenServing(launch({ DATA_DIR: folder.path }));
    const output = machi.output();
    const password = PASSWORD_LINE.exec(output)![1]!;
    const session = (await (await signIn(machi, password)).json()) as Session;
    first = { output, password, session, exitCode: await machi.kill('SIGTERM') };
    second = await whenServing(launch({ DATA_DIR: folder.path }));
  });
  afterAll(async () => {
    await second.kill('SIGTERM');
    folder.remove();
  });

  it('print the address of the API, of Swagger UI and, the first time only, the generated password', () => {
    expect(first.output).toMatch(/^API +http:\/\/127\.0\.0\.1:\d+\/api$/m);
    expect(first.output).toMatch(/^Swagger UI +http:\/\/127\.0\.0\.1:\d+\/docs$/m);
    expect(first.exitCode).toBe(0);
    expect(second.output()).not.toMatch(PASSWORD_LINE);
  });

  it('keep the data', async () => {
    expect((await signIn(second, first.password)).status).toBe(201);
  });

  it('keep the signing key, so that identity tokens of the first stay valid', async () => {
    expect(await statusOfMe(second, first.session)).toBe(200);
  });
});

it('SIGTERM while the modules are loaded and PostgreSQL starts ends both', async () => {
  const folder = dataFolder();
  const machi = launch({ DATA_DIR: folder.path });
  await expect.poll(() => existsSync(join(folder.path, 'postgres'))).toBe(true);
  expect(await machi.kill('SIGTERM')).toBe(0);
  expect(machi.stdout()).not.toContain('API');
  expect(existsSync(join(folder.path, 'postgres/postmaster.pid'))).toBe(false);
  folder.remove();
});

describe('on a configured database', () => {
  let folder: ReturnType<typeof dataFolder>;
  let database: TestDatabase;
  const running: MachiProcess[] = [];
  beforeEach(async () => {
    folder = dataFolder();
    database = await createDatabase();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((machi) => machi.kill('SIGTERM')));
    await database.drop();
    folder.remove();
  });

  function begin(env: Record<string, string> = {}): MachiProcess {
    const machi = launch({ DATA_DIR: folder.path, ...database.env, ...env });
    running.push(machi);
    return machi;
  }
  const start = (env: Record<string, string> = {}): Promise<MachiProcess> => whenServing(begin(env));

  it('a development start prints no configured password, serves Swagger UI and redirects / to it', async () => {
    const machi = await start({ ADMIN_PASSWORD });
    expect(machi.output()).not.toContain('quiet lantern');
    expect((await signIn(machi, ADMIN_PASSWORD)).status).toBe(201);
    expect(await (await fetch(`${machi.url}/docs`)).text()).toContain('swagger-ui');
    expect((await fetch(machi.url, { redirect: 'manual' })).headers.get('location')).toBe('/docs');
    const document = (await (await fetch(`${machi.url}/docs-json`)).json()) as { paths: object };
    expect(Object.keys(document.paths)).toContain('/api/users/me');
  });

  it('a new signing key beside the accepted old one ends no session', async () => {
    const keys = ['old', 'new'].map((name) => join(folder.path, `${name}.pem`)) as [string, string];
    for (const file of keys) {
      writeFileSync(
        file,
        generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
      );
    }
    const first = await start({ ADMIN_PASSWORD, SIGNING_KEY_FILE: keys[0] });
    const session = (await (await signIn(first, ADMIN_PASSWORD)).json()) as Session;
    await first.kill('SIGTERM');
    const second = await start({ SIGNING_KEY_FILE: keys[1], ACCEPTED_SIGNING_KEYS_FILE: keys[0] });
    expect(await statusOfMe(second, session)).toBe(200);
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ refresh_token: session.refresh_token });
    const refreshed = await fetch(`${second.url}/api/sessions/refresh`, { method: 'POST', headers, body });
    const { identity_token } = (await refreshed.json()) as Session;
    const jwks = (await (await fetch(`${second.url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
    const kids = [identity_token, session.identity_token].map(
      (token) => (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid,
    );
    expect(jwks.keys.map(({ kid }) => kid)).toEqual(kids);
    expect(kids[0]).not.toBe(kids[1]);
  });

  it('a production start serves no Swagger UI and is ready', async () => {
    const machi = await start({
      NODE_ENV: 'production',
      ...newKeys(),
      BCRYPT_COST: '10',
    });
    expect(machi.output()).not.toContain('Swagger');
    for (const path of ['/docs', '/docs-json', '/']) expect((await fetch(machi.url + path)).status).toBe(404);
    expect(await isReady(machi)).toBe(true);
  });

  it('an unsafe production configuration exits with 78 and names every fault with its correction', async () => {
    const machi = begin({
      NODE_ENV: 'staging', // unknown: production
      SECRET_KEY: 'short',
      IDENTITY_TOKEN_TTL: 'never',
      ALLOWED_ORIGINS: '*',
      EXTERNAL_IDENTITY: 'trusted-subject',
      PASSWORD_POLICY: 'off',
      PORT: 'http',
    });
    expect(await machi.ended).toBe(78);
    for (const name of [
      'SECRET_KEY is shorter',
      'openssl',
      'IDENTITY_TOKEN_TTL',
      'ALLOWED_ORIGINS',
      'EXTERNAL_IDENTITY',
      'PASSWORD_POLICY',
      'PORT',
      'BCRYPT_COST',
    ]) {
      expect(machi.output()).toContain(name);
    }
  });

  it('old setting names and a value that .env cuts at "#" are logged without their values', async () => {
    const secret = randomBytes(32).toString('base64url');
    const lines = [`ADMIN_PASSWORD=${ADMIN_PASSWORD}#four`, `JWTSECRET=${secret}`, 'DEBUG=True'];
    writeFileSync(join(folder.path, '.env'), lines.join('\n'));
    const place = { cwd: folder.path, options: ['--env-file=.env'] };
    const machi = launch({ DATA_DIR: folder.path, ...database.env }, 'main', place);
    running.push(machi);
    await whenServing(machi);
    expect(machi.output()).toContain('The value of ADMIN_PASSWORD in .env ends before "#": put the value in quotes.');
    expect(machi.output()).toContain('JWTSECRET is read as SECRET_KEY: rename it.');
    for (const value of [secret, 'quiet lantern', 'four']) expect(machi.output()).not.toContain(value);
    expect((await signIn(machi, ADMIN_PASSWORD)).status).toBe(201);
  });

  it('a common ADMIN_PASSWORD exits with 78 and creates no administrator', async () => {
    const machi = begin({ ADMIN_PASSWORD: 'password1' });
    expect(await machi.ended).toBe(78);
    expect(machi.output()).toContain('ADMIN_PASSWORD is one of the most common ones');
    expect((await start()).output()).toMatch(PASSWORD_LINE);
  });

  it('a database that refuses connections is waited for, with a log line, until SIGTERM', async () => {
    const machi = begin({ DATABASE_URL: 'postgres://nobody:wrong@127.0.0.1:1/none', DB_HOST: '' });
    await expect.poll(() => machi.output()).toContain('Connecting to the database failed');
    expect(await machi.kill('SIGTERM')).toBe(0);
  });

  it('a port in use exits with 78 and leaves the process that uses it alone', async () => {
    const first = await start();
    const second = begin({ PORT: new URL(first.url).port });
    expect(await second.ended).toBe(78);
    expect(second.output()).toContain('EADDRINUSE');
    expect(await isReady(first)).toBe(true);
  });

  it('a stop waits no longer than DRAIN_SECONDS for a request that does not finish', async () => {
    const machi = await start({ DRAIN_SECONDS: '1' });
    const head = 'POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
    const { socket } = open(machi, `${head}content-length: 50\r\n\r\n{`);
    await once(socket, 'connect');
    await expect.poll(() => isReady(machi)).toBe(true); // a later request was answered: the first has arrived
    const before = Date.now();
    expect(await machi.kill('SIGTERM')).toBe(0);
    expect(Date.now() - before).toBeLessThan(6000);
  });
});

it('after SIGTERM open requests are answered, readiness is 503, new connections are refused and PostgreSQL ends', async () => {
  const folder = dataFolder();
  const machi = await whenServing(launch({ DATA_DIR: folder.path }));
  const server = folder.postmaster();
  const body = JSON.stringify({ login: 'nobody', password: 'x' });
  const head = `POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  const request = open(machi, `${head}\r\n\r\n${body.slice(0, 5)}`);
  const readiness = open(machi, 'GET /api/health/ready HTTP/1.1\r\nhost:');
  await expect.poll(() => isReady(machi)).toBe(true); // a later request was answered: both have arrived
  const code = machi.kill('SIGTERM');
  await expect.poll(() => isReady(machi)).toBe(false);
  await expect(fetch(`${machi.url}/api/health/live`)).rejects.toThrow();
  readiness.socket.write(' x\r\n\r\n');
  await once(readiness.socket, 'close');
  expect(readiness.answer()).toMatch(/^HTTP\/1.1 503 /);
  expect(readiness.answer()).toContain('"process":"stopping"');
  request.socket.write(body.slice(5));
  await once(request.socket, 'close');
  expect(request.answer()).toMatch(/^HTTP\/1.1 401 /);
  expect(request.answer().toLowerCase()).toContain('connection: close');
  expect(await code).toBe(0);
  expect(isAlive(server)).toBe(false);
  folder.remove();
});

it('an unexpected error while the server stops is logged, and open requests are answered', async () => {
  const folder = dataFolder();
  const failLate = `process.on('SIGTERM', () => setTimeout(() => Promise.reject(new Error('too late')), 1100))`;
  const options = ['--import', `data:text/javascript,${encodeURIComponent(failLate)}`];
  const machi = await whenServing(launch({ DATA_DIR: folder.path }, 'main', { options }));
  const head = 'POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2';
  const request = open(machi, `${head}\r\n\r\n{`);
  await expect.poll(() => isReady(machi)).toBe(true); // a later request was answered: it has arrived
  const code = machi.kill('SIGTERM');
  await expect.poll(() => machi.output()).toContain('too late');
  request.socket.write('}');
  await once(request.socket, 'close');
  expect(request.answer()).toMatch(/^HTTP\/1.1 422 /);
  expect(await code).toBe(0);
  folder.remove();
});

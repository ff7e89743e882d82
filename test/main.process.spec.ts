import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dataFolder, isAlive, launch, type MachiProcess, whenServing } from './support/machi-process.js';

let folder: ReturnType<typeof dataFolder>;
const running: MachiProcess[] = [];
beforeEach(() => {
  folder = dataFolder();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((machi) => machi.kill('SIGTERM')));
  folder.remove();
});

/** In this test's data folder; ended with it, whatever happens. */
function begin(env: Record<string, string> = {}): MachiProcess {
  const machi = launch({ DATA_DIR: folder.path, ...env });
  running.push(machi);
  return machi;
}

const start = (env: Record<string, string> = {}): Promise<MachiProcess> => whenServing(begin(env));

const PASSWORD_LINE = /sign in as "admin" with the password (\S+)/;

const signIn = ({ url }: MachiProcess, password: string): Promise<Response> =>
  fetch(`${url}/api/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: 'admin', password }),
  });

const isReady = async ({ url }: MachiProcess): Promise<boolean> => {
  const response = await fetch(`${url}/api/health/ready`).catch(() => undefined);
  return response?.status === 200;
};

describe('starting', () => {
  it('prints three lines the first time, the password never again, and keeps the data', async () => {
    const first = await start();
    const password = PASSWORD_LINE.exec(first.output())![1]!;
    expect(first.output()).toMatch(/^API +http:\/\/127\.0\.0\.1:\d+\/api$/m);
    expect(first.output()).toMatch(/^Swagger UI +http:\/\/127\.0\.0\.1:\d+\/docs$/m);
    expect((await signIn(first, password)).status).toBe(201);
    expect(await first.kill('SIGTERM')).toBe(0);
    const second = await start();
    expect(second.output()).not.toMatch(PASSWORD_LINE);
    expect((await signIn(second, password)).status).toBe(201);
  });

  it('prints no password that it was given', async () => {
    const machi = await start({ ADMIN_PASSWORD: 'quiet lantern forty' });
    expect(machi.output()).not.toContain('quiet lantern');
    expect((await signIn(machi, 'quiet lantern forty')).status).toBe(201);
  });

  it('keeps its signing key between starts, so that nobody is signed out', async () => {
    const first = await start({ ADMIN_PASSWORD: 'quiet lantern forty' });
    const { identity_token } = (await (await signIn(first, 'quiet lantern forty')).json()) as {
      identity_token: string;
    };
    await first.kill('SIGTERM');
    const second = await start();
    const headers = { authorization: `Bearer ${identity_token}` };
    expect((await fetch(`${second.url}/api/users/me`, { headers })).status).toBe(200);
  });

  it('changes its signing key between starts, so that nobody is signed out', async () => {
    const keys = ['old', 'new'].map((name) => join(folder.path, `${name}.pem`)) as [string, string];
    for (const file of keys) {
      writeFileSync(file, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
    }
    const first = await start({ ADMIN_PASSWORD: 'quiet lantern forty', SIGNING_KEY_FILE: keys[0] });
    const session = (await (await signIn(first, 'quiet lantern forty')).json()) as Record<string, string>;
    await first.kill('SIGTERM');
    const second = await start({ SIGNING_KEY_FILE: keys[1], ACCEPTED_SIGNING_KEYS_FILE: keys[0] });
    const headers = { authorization: `Bearer ${session['identity_token']}`, 'content-type': 'application/json' };
    expect((await fetch(`${second.url}/api/users/me`, { headers })).status).toBe(200);
    const body = JSON.stringify({ refresh_token: session['refresh_token'] });
    const refreshed = await fetch(`${second.url}/api/sessions/refresh`, { method: 'POST', headers, body });
    const { identity_token } = (await refreshed.json()) as { identity_token: string };
    const { keys: published } = (await (await fetch(`${second.url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] }; // prettier-ignore
    const kids = [identity_token, session['identity_token']!].map(
      (token) => (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid,
    );
    expect(published.map(({ kid }) => kid)).toEqual(kids);
    expect(kids[0]).not.toBe(kids[1]);
  });

  it('shows Swagger UI in development, and leads there', async () => {
    const machi = await start();
    expect(await (await fetch(`${machi.url}/docs`)).text()).toContain('swagger-ui');
    expect((await fetch(machi.url, { redirect: 'manual' })).headers.get('location')).toBe('/docs');
    const document = (await (await fetch(`${machi.url}/docs-json`)).json()) as { paths: object };
    expect(Object.keys(document.paths)).toContain('/api/users/me');
  });

  it('shows none in production, where all else works', async () => {
    const machi = await start({
      NODE_ENV: 'production',
      SECRET_KEY: randomBytes(32).toString('base64url'),
      BCRYPT_COST: '10',
    });
    expect(machi.output()).not.toContain('Swagger');
    for (const path of ['/docs', '/docs-json', '/']) expect((await fetch(machi.url + path)).status).toBe(404);
    expect(await isReady(machi)).toBe(true);
  });

  it('refuses a production it cannot be safe in, all faults at once, naming variable and mend', async () => {
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

  it('refuses an ADMIN_PASSWORD that anyone would guess, and makes no administrator', async () => {
    const machi = begin({ ADMIN_PASSWORD: 'password1' });
    expect(await machi.ended).toBe(78);
    expect(machi.output()).toContain('ADMIN_PASSWORD is one of the most common ones');
    const again = await start();
    expect(again.output()).toMatch(PASSWORD_LINE);
  });

  it('says what to do when the configured database refuses', async () => {
    const machi = begin({ DATABASE_URL: 'postgres://nobody:wrong@127.0.0.1:1/none' });
    await expect.poll(() => machi.output()).toContain('waiting for the database');
    expect(await machi.kill('SIGTERM')).toBe(0);
  });

  it('says so when its port is taken', async () => {
    const first = await start();
    const second = begin({ PORT: new URL(first.url).port });
    expect(await second.ended).toBe(78);
    expect(second.output()).toContain('EADDRINUSE');
    expect(await isReady(first)).toBe(true);
  });
});

describe('two on one data folder', () => {
  it('started at once make one database and one administrator; the last to stop stops the server', async () => {
    const both = await Promise.all([start(), start()]);
    expect(both.filter((machi) => PASSWORD_LINE.test(machi.output()))).toHaveLength(1);
    const server = folder.postmaster();
    expect(await both[0].kill('SIGTERM')).toBe(0);
    expect(isAlive(server)).toBe(true);
    expect(await isReady(both[1])).toBe(true);
    expect(await both[1].kill('SIGTERM')).toBe(0);
    expect(isAlive(server)).toBe(false);
  });
});

describe('after a kill -9', () => {
  it('adopts the server that was left running', async () => {
    const first = await start({ ADMIN_PASSWORD: 'quiet lantern forty' });
    const server = folder.postmaster();
    await first.kill('SIGKILL');
    expect(isAlive(server)).toBe(true);
    const second = await start();
    expect(folder.postmaster()).toBe(server);
    expect((await signIn(second, 'quiet lantern forty')).status).toBe(201);
    await second.kill('SIGTERM');
    expect(isAlive(server)).toBe(false);
  });

  it('recovers the data of a server that was killed with it', async () => {
    const first = await start({ ADMIN_PASSWORD: 'quiet lantern forty' });
    process.kill(folder.postmaster(), 'SIGKILL');
    await first.kill('SIGKILL');
    const second = await start();
    expect((await signIn(second, 'quiet lantern forty')).status).toBe(201);
  });

  it('is not misled by a pid file whose pid is somebody else by now', async () => {
    const first = await start();
    await first.kill('SIGTERM');
    writeFileSync(join(folder.path, 'postgres/postmaster.pid'), `${process.pid}\n/elsewhere\n0\n5432\n.\n\n`);
    expect(await isReady(await start())).toBe(true);
  });

  it.each(['', '\0\0\0\0', 'noise'])('is not misled by a pid file of %j', async (content) => {
    const first = await start();
    await first.kill('SIGTERM');
    const file = join(folder.path, 'postgres/postmaster.pid');
    writeFileSync(file, content);
    const anHourAgo = Date.now() / 1000 - 3600;
    utimesSync(file, anHourAgo, anHourAgo);
    expect(await isReady(await start())).toBe(true);
  });

  it('starts over when the cluster was cut short while it was made', async () => {
    const machi = begin();
    await expect
      .poll(() => readdirSync(folder.path).some((name) => name.startsWith('postgres.init')), { interval: 2 })
      .toBe(true);
    await machi.kill('SIGKILL');
    expect(await isReady(await start())).toBe(true);
  });
});

it('a server that dies under a running Machi is brought back', async () => {
  const machi = await start();
  const server = folder.postmaster();
  process.kill(server, 'SIGKILL');
  await expect.poll(() => isReady(machi), { timeout: 15_000 }).toBe(true);
  const next = folder.postmaster();
  expect(next).not.toBe(server);
  expect(await machi.kill('SIGTERM')).toBe(0);
  expect(isAlive(next)).toBe(false);
});

describe('stopping', () => {
  it('lets a request in flight finish, takes no new ones, and then ends the server', async () => {
    const machi = await start();
    const server = folder.postmaster();
    const body = JSON.stringify({ login: 'nobody', password: 'x' });
    const socket = connect(Number(new URL(machi.url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += String(chunk)));
    socket.write(
      `POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    await expect.poll(() => isReady(machi)).toBe(true); // a later request was answered: the first has arrived
    const code = machi.kill('SIGTERM');
    await expect.poll(() => isReady(machi)).toBe(false);
    await expect(fetch(`${machi.url}/api/health/live`)).rejects.toThrow();
    socket.write(body.slice(5));
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1.1 401 /);
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(await code).toBe(0);
    expect(isAlive(server)).toBe(false);
  });

  it('does not wait longer than DRAIN_SECONDS for a request that does not finish', async () => {
    const machi = await start({ DRAIN_SECONDS: '1' });
    const socket = connect(Number(new URL(machi.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{',
    );
    await once(socket, 'connect');
    await expect.poll(() => isReady(machi)).toBe(true);
    const before = Date.now();
    expect(await machi.kill('SIGTERM')).toBe(0);
    expect(Date.now() - before).toBeLessThan(6000);
  });

  it('is ready no more while it drains', async () => {
    const machi = await start();
    const socket = connect(Number(new URL(machi.url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += String(chunk)));
    socket.write('GET /api/health/ready HTTP/1.1\r\nhost:');
    await expect.poll(() => isReady(machi)).toBe(true);
    const code = machi.kill('SIGTERM');
    await expect.poll(() => isReady(machi)).toBe(false);
    socket.write(' x\r\n\r\n');
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
    expect(answer).toContain('"process":"stopping"');
    expect(await code).toBe(0);
  });
});

import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseConnection } from '../../../src/config/database/database-connection.js';
import { EmbeddedPostgres } from '../../../src/database/embedded/embedded-postgres.js';
import { dataFolder, isAlive, launch, type MachiProcess, whenServing } from '../../support/servers/machi-process.js';

const ADMIN_PASSWORD = 'quiet lantern forty';

const begin = (folder: { path: string }): MachiProcess => launch({ DATA_DIR: folder.path, ADMIN_PASSWORD });

async function signIn({ url }: MachiProcess): Promise<number> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ login: 'admin', password: ADMIN_PASSWORD });
  return (await fetch(`${url}/api/sessions`, { method: 'POST', headers, body })).status;
}

const isReady = async ({ url }: MachiProcess): Promise<boolean> => {
  const response = await fetch(`${url}/api/health/ready`).catch(() => undefined);
  return response?.status === 200;
};

/** Each test begins with the process that the one before it left running. */
describe('a data folder whose processes are killed', () => {
  const folder = dataFolder();
  let machi: MachiProcess;
  beforeAll(async () => {
    machi = await whenServing(begin(folder));
  });
  afterAll(async () => {
    await machi.kill('SIGTERM');
    folder.remove();
  });

  it('after kill -9 of Machi is served by the PostgreSQL that was left running', async () => {
    const server = folder.postmaster();
    await machi.kill('SIGKILL');
    expect(isAlive(server)).toBe(true);
    machi = await whenServing(begin(folder));
    expect(folder.postmaster()).toBe(server);
    expect(await signIn(machi)).toBe(201);
  });

  it('after kill -9 of Machi and PostgreSQL is recovered by the next start', async () => {
    process.kill(folder.postmaster(), 'SIGKILL');
    await machi.kill('SIGKILL');
    machi = await whenServing(begin(folder));
    expect(await signIn(machi)).toBe(201);
  });

  it('gets a new PostgreSQL when it dies under a running Machi, which stops it in the end', async () => {
    const server = folder.postmaster();
    process.kill(server, 'SIGKILL');
    // Machi still answers "ready" until it notices that the server died.
    const isReplaced = async (): Promise<boolean> => (await isReady(machi)) && folder.postmaster() !== server;
    await expect.poll(isReplaced, { timeout: 15_000 }).toBe(true);
    const next = folder.postmaster();
    expect(await machi.kill('SIGTERM')).toBe(0);
    expect(isAlive(next)).toBe(false);
  });
});

it('a data folder whose cluster was being created when Machi was killed starts over', async () => {
  const folder = dataFolder();
  const killed = begin(folder);
  const isCreating = (): boolean => readdirSync(folder.path).some((name) => name.startsWith('postgres.init'));
  await expect.poll(isCreating, { interval: 2 }).toBe(true);
  await killed.kill('SIGKILL');
  const machi = await whenServing(begin(folder));
  expect(await isReady(machi)).toBe(true);
  await machi.kill('SIGTERM');
  folder.remove();
});

it('two processes started at once on one data folder create one administrator; the last to stop stops PostgreSQL', async () => {
  const folder = dataFolder();
  const start = () => whenServing(launch({ DATA_DIR: folder.path }));
  const [first, second] = await Promise.all([start(), start()]);
  const created = [first, second].filter((machi) => /First start: sign in as "admin"/.test(machi.output()));
  expect(created).toHaveLength(1);
  const server = folder.postmaster();
  expect(await first.kill('SIGTERM')).toBe(0);
  expect(isAlive(server)).toBe(true);
  expect(await isReady(second)).toBe(true);
  expect(await second.kill('SIGTERM')).toBe(0);
  expect(isAlive(server)).toBe(false);
  folder.remove();
});

describe('a pid file that a stopped server left behind does not prevent the next start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'machi-pid-'));
  const pidFile = join(folder, 'postgres/postmaster.pid');
  const startAndStop = async (): Promise<void> => {
    const postgres = new EmbeddedPostgres(folder, { warn() {} });
    await postgres.start();
    await postgres.stop();
  };
  beforeAll(startAndStop);
  afterAll(() => rmSync(folder, { recursive: true }));

  it('when its pid now belongs to another process', async () => {
    writeFileSync(pidFile, `${process.pid}\n/elsewhere\n0\n5432\n.\n\n`);
    await expect(startAndStop()).resolves.toBeUndefined();
  });

  it.each(['', '\0\0\0\0', 'noise'])('when its content is %j', async (content) => {
    writeFileSync(pidFile, content);
    const anHourAgo = Date.now() / 1000 - 3600;
    utimesSync(pidFile, anHourAgo, anHourAgo);
    await expect(startAndStop()).resolves.toBeUndefined();
  });
});

it('the role of the application can create no database, no role and no extension that needs a superuser, also in data of 0.1.0', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'machi-role-'));
  const query = async (connection: DatabaseConnection, sql: string): Promise<string> => {
    const client = new pg.Client(connection);
    await client.connect();
    const outcome = await client.query(sql).then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    await client.end();
    return outcome;
  };
  for (const sql of ['alter role machi createdb', 'select']) {
    // 0.1.0 created the role so
    const postgres = new EmbeddedPostgres(folder, { warn() {} });
    await postgres.start();
    const { connection } = postgres;
    for (const refused of [
      'create database other',
      'create role other',
      'create extension file_fdw',
      "copy (select 1) to program 'true'",
    ]) {
      expect([refused, await query(connection, refused)]).toEqual([refused, '42501']);
    }
    expect(await query(connection, 'create extension citext')).toMatch(/^(done|42710)$/);
    expect(await query({ ...connection, user: 'postgres' }, sql)).toBe('done');
    await postgres.stop();
  }
  rmSync(folder, { recursive: true });
});

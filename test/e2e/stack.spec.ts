import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { claimsOf, Client, expectProblem, lifetimeOf, PASSWORD, STACK } from './client.js';

/** This file holds for every stack: `MACHI_STACK` says which one it is. */
const client = new Client();
const FOREVER = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000;
const MINUTE = 60;
const DAY = 24 * 60 * MINUTE;

describe('health', () => {
  it('reports live, ready and healthy', async () => {
    expect((await client.get('/api/health/live')).body).toEqual({ status: 'ok' });
    const { status, body } = await client.get('/api/health/ready');
    expect([status, body['status']]).toEqual([200, 'ok']);
    expect(body['checks']).toMatchObject({ process: 'ok', database: 'ok', migrations: 'ok' });
    expect((await client.get('/api/health')).body['version']).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('answers pong', async () => {
    const { status, text } = await client.get('/api/misc/ping');
    expect([status, text]).toEqual([200, 'pong']);
  });
});

describe('lifetimes', () => {
  it('of tokens are those that the stack configures', async () => {
    const { identity_token, refresh_token } = await client.user();
    const lifetimes = [lifetimeOf(identity_token), lifetimeOf(refresh_token)];
    const ends = [claimsOf(identity_token).exp, claimsOf(refresh_token).exp];
    process.stdout.write(`${STACK}: tokens end ${ends.join(' and ')}, after ${lifetimes.join(' and ')} s\n`);
    if (STACK === 'production') expect(lifetimes).toEqual([15 * MINUTE, 7 * DAY]);
    else if (STACK === 'development') expect(ends).toEqual([FOREVER, FOREVER]);
    else expect(lifetimes).toEqual([15, 30]);
  });
});

describe('Swagger UI', () => {
  const PATHS = ['/docs', '/docs-json'];
  it.runIf(STACK === 'development')('is served in development', async () => {
    const [page, document] = await Promise.all(PATHS.map((path) => client.get(path)));
    expect(page!.text).toContain('swagger-ui');
    expect(Object.keys(document!.body['paths'] as object)).toContain('/api/users/me');
  });

  it.runIf(STACK !== 'development').each(PATHS)('answers 404 for %s', async (path) => {
    expectProblem(await client.get(path), 404, 'route_not_found');
  });
});

describe('a response of the stack', () => {
  it('allows no foreign origin', async () => {
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'GET' };
    for (const method of ['OPTIONS', 'GET']) {
      const answer = await client.request(method, '/api/users/me', { headers });
      expect(answer.headers.has('access-control-allow-origin')).toBe(false);
    }
  });

  it('sends security headers and does not name the framework', async () => {
    const { headers } = await client.get('/api/health');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.has('x-powered-by')).toBe(false);
  });

  it('answers every failure with problem+json', async () => {
    expectProblem(await client.get('/api/nowhere'), 404, 'route_not_found');
    expectProblem(await client.get('/api/users/me'), 401, 'token_required');
    expectProblem(
      await client.request('POST', '/api/sessions', { body: '{', headers: { 'content-type': 'application/json' } }),
      400,
      'malformed_json',
    );
    const refused = await client.post('/api/users', { username: 'x', password: PASSWORD, role_id: 1 });
    expectProblem(refused, 422, 'validation_failed');
    expect((refused.body['errors'] as { path: string }[]).map(({ path }) => path)).toEqual(
      expect.arrayContaining(['username', 'fullname', 'role_id']),
    );
  });

  it('answers 413 to bodies above 100 KB', async () => {
    const { status, headers, body } = await client.post('/api/users', { fullname: 'x'.repeat(110 * 1024) });
    expect([status, headers.get('content-type'), body['code']]).toEqual([
      413,
      'application/problem+json',
      'body_too_large',
    ]);
  });
});

it('trusted-subject identities exist in the test stack only', async () => {
  const { status } = await client.get('/api/users/login', 'just_admins_identity');
  expect(status).toBe(STACK === 'test' ? 200 : 401);
});

it.runIf(STACK === 'test')('the role of Machi owns its database and has no right beyond it', async () => {
  const database = new pg.Client(process.env['DATABASE_URL']);
  await database.connect();
  try {
    const { rows } = await database.query(
      `select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, pg_get_userbyid(datdba) = rolname as owner,
              (select count(*)::int from pg_auth_members where member = r.oid) as memberships
       from pg_roles r, pg_database where rolname = current_user and datname = current_database()`,
    );
    const none = {
      rolsuper: false,
      rolcreatedb: false,
      rolcreaterole: false,
      rolreplication: false,
      rolbypassrls: false,
    };
    expect(rows).toEqual([{ ...none, owner: true, memberships: 0 }]);
    for (const sql of ['create role intruder', 'create database intruder', `copy (select 1) to program 'true'`]) {
      await expect(database.query(sql)).rejects.toMatchObject({ code: '42501' });
    }
  } finally {
    await database.end();
  }
});

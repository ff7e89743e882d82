import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { codeAt, twoFactorUser } from '../support/clients/totp.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { EXTERNAL_IDENTITY: 'trusted-subject' } });
});
afterAll(() => t.stop());

interface Document {
  paths: Record<
    string,
    Record<string, { responses: Record<number, { content: Record<string, { examples: object }> }> }>
  >;
  components: { schemas: Record<string, { properties: object }> };
}
const { paths, components } = JSON.parse(readFileSync(join(packageRoot(), 'openapi.json'), 'utf8')) as Document;
const documented = (path: string, method: string, status: number): object =>
  paths[path]![method]!.responses[status]!.content['application/problem+json']!.examples;

const post = (path: string, body: object) => t.request('POST', path, { body });

it('the manga site answers a correct password with errors.two_factor_required and sets no cookie', async () => {
  const { username } = await twoFactorUser(t);
  const { status, body, headers } = await post('/api/v1/Session/login', { username, password: PASSWORD });
  expect([status, body]).toEqual([400, { msg: expect.any(String), msg_key: 'errors.two_factor_required' }]);
  expect(headers.getSetCookie()).toEqual([]);
});

it('the anime site answers a correct password with the challenge that POST /api/sessions/two-factor completes', async () => {
  const user = await twoFactorUser(t);
  const credentials = { email: `${user.username}@example.org`, password: PASSWORD };
  const { status, body } = await post('/api/auth/login', credentials);
  expect([status, body['code'], body['access_token']]).toEqual([401, 'two_step_required', undefined]);
  t.clock.advance(30_000);
  const code = codeAt(user.secret, t.clock.now());
  expect((await post('/api/sessions/two-factor', { challenge: body['challenge'], code })).status).toBe(201);
});

it('the augmented-reality service answers 401 with a sentence in msg, as documented', async () => {
  const admin = { id: '', username: 'admin', password: 'quiet lantern forty', token: await t.asAdmin() };
  await twoFactorUser(t, admin);
  const { status, body } = await t.request('GET', '/api/users/login', { token: 'just_admins_identity' });
  expect([status, body['code'], body['access_token']]).toEqual([401, 'two_step_required', undefined]);
  expect(body['msg']).toMatch(/two-factor/i);
  for (const method of ['get', 'post'])
    expect(Object.keys(documented('/api/users/login', method, 401))).toContain('two_step_required');
  expect(components.schemas['TwoFactorRequiredProblem']!.properties).toHaveProperty('msg');
});

it('only the correct password reveals that two-factor authentication is on', async () => {
  const { username } = await twoFactorUser(t);
  const password = 'wrong password';
  const manga = await post('/api/v1/Session/login', { username, password });
  expect(manga.body['msg_key']).toBe('errors.login_wrong_password');
  const anime = await post('/api/auth/login', { email: `${username}@example.org`, password });
  expect(anime.body['code']).toBe('invalid_credentials');
});

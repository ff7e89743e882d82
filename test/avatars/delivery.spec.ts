import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { call, get, uploadApproved } from '../support/files/images.js';

let t: TestApp;
let moderator: string;
beforeAll(async () => {
  t = await startApp();
  moderator = (await t.user('moderate_avatars')).token;
});
afterAll(() => t.stop());

let seed = 300;

it('GET /api/users/:id/avatar redirects to the current avatar in the next larger size', async () => {
  const user = await t.user();
  const first = await uploadApproved(t, user, moderator, ++seed);
  const at = async (query = '') => (await get(t, `/api/users/${user.id}/avatar${query}`)).headers.get('location');
  expect(await at()).toBe(first['urls']['256']);
  for (const [s, size] of [
    ['1', '64'],
    ['64', '64'],
    ['65', '128'],
    ['200', '256'],
    ['512', '512'],
  ] as const)
    expect(await at(`?s=${s}`)).toBe(first['urls'][size]);
  const { status, headers } = await get(t, `/api/users/${user.id}/avatar?d=404`);
  expect([status, headers.get('cache-control'), headers.get('cross-origin-resource-policy')]).toEqual([
    302,
    'no-cache',
    'cross-origin',
  ]);
  const second = await uploadApproved(t, user, moderator, ++seed);
  expect(await at()).toBe(second['urls']['256']);
  expect((await get(t, first['urls']['64'])).status).toBe(404);
  for (const query of ['?s=0', '?s=513', '?s=1e2', '?s=64&s=65', '?d=monster', '?x=1']) {
    expect((await get(t, `/api/users/${user.id}/avatar${query}`)).body['code']).toBe('validation_failed');
  }
});

it('GET /api/avatars/:id/:size.webp answers conditional requests, single ranges and HEAD', async () => {
  const user = await t.user();
  const { urls, id } = await uploadApproved(t, user, moderator, ++seed);
  const url = urls['512'];
  const whole = (await get(t, url)).bytes;
  const etag = `"${id}-512"`;
  for (const value of [etag, `"other", ${etag}`, `W/${etag}`, '*']) {
    const { status, bytes, headers } = await get(t, url, undefined, { 'if-none-match': value });
    expect([status, bytes.length, headers.get('etag')]).toEqual([304, 0, etag]);
    expect(headers.get('cache-control')).toContain('immutable');
  }
  expect((await get(t, url, undefined, { 'if-none-match': '"other"' })).status).toBe(200);
  for (const [range, start, end] of [
    ['bytes=0-0', 0, 0],
    ['bytes=10-19', 10, 19],
    ['bytes=-5', whole.length - 5, whole.length - 1],
    ['bytes=100-', 100, whole.length - 1],
    ['bytes=0-99999999', 0, whole.length - 1],
  ] as const) {
    const answer = await get(t, url, undefined, { range });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([
      206,
      `bytes ${start}-${end}/${whole.length}`,
    ]);
    expect(answer.bytes.equals(whole.subarray(start, end + 1))).toBe(true);
  }
  const beyond = await get(t, url, undefined, { range: `bytes=${whole.length}-` });
  expect([beyond.status, beyond.body['code'], beyond.headers.get('content-range')]).toEqual([
    416,
    'range_not_satisfiable',
    `bytes */${whole.length}`,
  ]);
  for (const headers of [
    { range: 'bytes=0-1,5-6' },
    { range: 'lines=1-2' },
    { range: 'bytes=0-1', 'if-range': '"other"' },
  ]) {
    const answer = await get(t, url, undefined, headers as Record<string, string>);
    expect([answer.status, answer.bytes.length]).toEqual([200, whole.length]);
  }
  expect((await get(t, url, undefined, { range: 'bytes=0-1', 'if-range': etag })).status).toBe(206);
  const head = await call(t, 'HEAD', url, undefined, { headers: { range: 'bytes=0-1' } }); // ranges apply to GET only
  expect([head.status, head.headers.get('content-length'), head.bytes.length]).toEqual([200, String(whole.length), 0]);
});

it('GET /api/avatars accepts ids in upper case and answers with the same bytes and ETag', async () => {
  const user = await t.user();
  const path = (id: string) => `/api/users/${id}/avatar`;
  const identicon = (await get(t, path(user.id))).bytes;
  expect((await get(t, path(user.id.toUpperCase()))).bytes.equals(identicon)).toBe(true);
  const { id, urls } = await uploadApproved(t, user, moderator, ++seed);
  const answer = await get(t, `/api/avatars/${id.toUpperCase()}/64.webp`);
  expect([answer.status, answer.headers.get('etag')]).toEqual([200, `"${id}-64"`]);
  expect(answer.bytes.equals((await get(t, urls['64'])).bytes)).toBe(true);
});

it.each(['63.webp', '1024.webp', '64.png', '064.webp', '64', '../64.webp', '64.webp.webp'])(
  'GET /api/avatars answers 404 for the file name %s',
  async (name) => {
    const user = await t.user();
    const { id } = await uploadApproved(t, user, moderator, ++seed);
    expect((await get(t, `/api/avatars/${id}/${name}`)).status).toBe(404);
  },
);

it('GET /api/users/:id/avatar of a user without an avatar leads to an identicon that depends on id and size only, as for unknown ids', async () => {
  const user = await t.user();
  const path = `/api/users/${user.id}/avatar`;
  const { status, headers, bytes } = await get(t, path);
  expect([status, headers.get('content-type'), headers.get('content-security-policy')]).toEqual([
    200,
    'image/png',
    "default-src 'none'; sandbox",
  ]);
  expect(bytes.equals((await get(t, path)).bytes)).toBe(true);
  expect((await get(t, path, undefined, { 'if-none-match': headers.get('etag')! })).status).toBe(304);
  for (const size of [64, 512]) {
    const { width, height, format } = await sharp((await get(t, `${path}?s=${size}`)).bytes).metadata();
    expect([width, height, format]).toEqual([size, size, 'png']);
  }
  expect((await get(t, `${path}?d=404`)).body).toMatchObject({ status: 404, code: 'avatar_not_found' });
  const tags = [64, 512].map(async (size) => (await get(t, `${path}?s=${size}`)).headers.get('etag'));
  expect(new Set(await Promise.all(tags)).size).toBe(2);
  const gone = randomUUID();
  const unknown = await get(t, `/api/users/${gone}/avatar`); // cannot be told apart from a user without an avatar
  expect([unknown.status, unknown.headers.get('content-type')]).toEqual([200, 'image/png']);
  expect((await get(t, `/api/users/${gone}/avatar`)).bytes.equals(bytes)).toBe(false);
  expect((await get(t, `/api/users/${gone}/avatar?d=404`)).body['code']).toBe('avatar_not_found');
});

it('the avatar of a deactivated user is hidden', async () => {
  const user = await t.user();
  const { urls } = await uploadApproved(t, user, moderator, ++seed);
  await t.request('PATCH', `/api/users/${user.id}`, { token: await t.asAdmin(), body: { is_active: false } });
  expect((await get(t, urls['64'])).status).toBe(404);
  expect((await get(t, `/api/users/${user.id}/avatar`)).headers.get('content-type')).toBe('image/png');
});

it('every representation of a user has the URL of the shown avatar', async () => {
  const user = await t.user('upload_chapters');
  const { urls } = await uploadApproved(t, user, moderator, ++seed);
  const admin = await t.asAdmin();
  const at = async (path: string, token: string) => (await t.request('GET', path, { token })).body;
  const url = urls['256'];
  const me = await at('/api/users/me', user.token);
  expect(me['avatar_url']).toBe(url);
  expect((await at(`/api/users/${user.id}`, admin))['avatar_url']).toBe(url);
  expect((await at(`/api/users/${user.id}`, moderator))['avatar_url']).toBe(url);
  expect((await at(`/api/users?q=${user.username}`, moderator))['items'][0].avatar_url).toBe(url);
  expect((await at(`/api/groups/${me['groups'][0].id}/members`, admin))['items'][0].avatar_url).toBe(url);
  const signedIn = await t.request('POST', '/api/sessions', {
    body: { login: user.username, password: user.password },
  });
  expect(signedIn.body['user'].avatar_url).toBe(url);
  await t.request('DELETE', '/api/users/me/avatar', { token: user.token });
  expect((await at('/api/users/me', user.token))['avatar_url']).toBe(`/api/users/${user.id}/avatar`);
  expect((await get(t, urls['64'], user.token)).status).toBe(404);
});

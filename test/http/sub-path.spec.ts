import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { imageFile, upload } from '../support/files/images.js';
import { readSourceFiles } from '../support/source-files.js';

let t: TestApp;
beforeAll(async () => {
  const PUBLIC_URL = 'https://example.org/machi/';
  t = await startApp({ env: { PUBLIC_URL, SWAGGER: 'on', AVATAR_MODERATION: 'off' } });
});
afterAll(() => t.stop());

/** The request that the proxy makes of one for a URL under PUBLIC_URL: it removes the path. */
const withoutPrefix = (path: string): string => path.replace(/^\/machi(?=\/)/, '');

it('Location of a new user and of a new group begins with the path of PUBLIC_URL', async () => {
  const body = { username: 'hana', password: PASSWORD, fullname: 'Hana Sato' };
  const user = await t.request('POST', '/api/users', { body });
  expect(user.headers.get('location')).toBe(`/machi/api/users/${user.body['id']}`);
  const group = await t.request('POST', '/api/groups', { token: await t.asAdmin(), body: { name: 'Translators' } });
  expect(group.headers.get('location')).toBe(`/machi/api/groups/${group.body['id']}`);
});

it('avatar_url, the URLs of an avatar and the redirect to it begin with the path of PUBLIC_URL', async () => {
  const user = await t.user();
  const me = await t.request('GET', '/api/users/me', { token: user.token });
  expect(me.body['avatar_url']).toBe(`/machi/api/users/${user.id}/avatar`);
  const { body } = await upload(t, user, await imageFile(1));
  const urls = body['urls'] as Record<string, string>;
  expect(urls['64']).toBe(`/machi/api/avatars/${body['id']}/64.webp`);
  expect((await t.request('GET', withoutPrefix(urls['64']!))).status).toBe(200);
  const redirect = await t.request('GET', `/api/users/${user.id}/avatar`);
  expect([redirect.status, redirect.headers.get('location')]).toEqual([302, urls['256']]);
  const session = await t.request('POST', '/api/sessions', { body: { login: user.username, password: PASSWORD } });
  expect((session.body as { user: { avatar_url: string } }).user.avatar_url).toBe(urls['256']);
  const users = await t.request('GET', '/api/users', { token: user.token });
  expect(users.text).not.toContain('"avatar_url":"/api');
});

it('the cookie of the chat app is limited to the path of PUBLIC_URL', async () => {
  const user = await t.user();
  const body = { username: user.username, password: PASSWORD };
  const { headers } = await t.request('POST', '/api/auth/login', { body });
  expect(headers.get('set-cookie')).toMatch(/; Path=\/machi;/);
});

it('the cookies of the manga site are limited to the path of PUBLIC_URL, and are deleted there', async () => {
  const user = await t.user();
  const body = { username: user.username, password: PASSWORD };
  const { headers } = await t.request('POST', '/api/v1/Session/login', { body });
  const cookies = headers.getSetCookie();
  expect(cookies.map((cookie) => /; Path=([^;]*)/.exec(cookie)?.[1])).toEqual(['/machi', '/machi']);
  const cookie = cookies.map((one) => one.split(';', 1)[0]).join('; ');
  const signedOut = await t.request('POST', '/api/v1/Session/logout', { headers: { cookie } });
  expect(signedOut.headers.getSetCookie().every((one) => one.includes('; Path=/machi;'))).toBe(true);
});

it('Swagger UI, its redirect and its servers carry the path of PUBLIC_URL', async () => {
  expect((await t.request('GET', '/')).headers.get('location')).toBe('/machi/docs');
  const { servers } = (await t.request('GET', '/docs-json')).body as unknown as { servers: { url: string }[] };
  expect(servers).toMatchObject([{ url: '/machi' }]);
  const page = (await t.request('GET', '/docs')).text;
  expect(page).not.toMatch(/(src|href)="\/(?!machi\/)/);
});

it('every Location and redirect to a path of this server is made with publicPath', () => {
  const literal = /\.(?:location|redirect)\((?:\d+, )?[`'"]\//;
  const files = readSourceFiles().filter(({ code }) => literal.test(code));
  expect(files.map(({ path }) => path)).toEqual([]);
});

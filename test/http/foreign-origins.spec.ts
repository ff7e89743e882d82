import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { routesOf } from '../support/api/routes.js';

const FRONT = 'https://front.example';
const EVIL = 'https://evil.example';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'on', TRUST_PROXY: 'loopback', ALLOWED_ORIGINS: FRONT, SWAGGER: 'on' } });
});
afterAll(() => t.stop());

let networks = 0;
const newNetwork = () => `198.51.100.${(networks += 1)}`;

const post = (path: string, headers: Record<string, string>, body: unknown = {}) =>
  t.request('POST', path, { body, headers: { 'x-forwarded-for': newNetwork(), ...headers } });

const FOREIGN: [string, Record<string, string>][] = [
  ['a foreign Origin', { origin: EVIL }],
  ['the Origin null', { origin: 'null' }],
  ['the Origin null of another site', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
  ['an Origin that is no URL', { origin: 'nonsense' }],
  ['two Origins', { origin: `${FRONT}, ${EVIL}` }],
  ['an Origin that begins with an allowed one', { origin: `${FRONT}.evil.example` }],
  ['Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site' }],
  ['a foreign Origin of the same site', { origin: EVIL, 'sec-fetch-site': 'same-site' }],
];

describe('a request from a page of another site', () => {
  it.each(FOREIGN)('with %s is refused by every route with an unsafe method', async (_, headers) => {
    const unsafe = routesOf(t.app).filter(({ name }) => !/^(GET|HEAD|OPTIONS) /.test(name));
    expect(unsafe.length).toBeGreaterThan(40);
    for (const { name } of unsafe) {
      const [method, path] = name.replaceAll(/:\w+/g, 'x').split(' ') as [string, string];
      const { status } = await t.request(method, path, { headers: { 'x-forwarded-for': newNetwork(), ...headers } });
      expect([name, status]).toEqual([name, 403]);
    }
  });

  it('is answered with foreign_origin, or with a sentence on the routes of the chat app', async () => {
    expect((await post('/api/sessions', { origin: EVIL })).body).toMatchObject({ code: 'foreign_origin' });
    const { headers, text } = await post('/api/register', { origin: EVIL });
    expect([headers.get('content-type'), text]).toEqual([
      'text/plain; charset=utf-8',
      'Requests from this origin are not allowed; use a page of this site or of an allowed origin.',
    ]);
  });

  it('uses up no limit of the network of its visitor', async () => {
    const victim = { 'x-forwarded-for': newNetwork() };
    const { username } = await t.user();
    const failure = { login: username, password: 'wrong' };
    for (let i = 0; i < 30; i++) {
      await post('/api/sessions', { ...victim, origin: EVIL }, failure);
      await post('/api/auth/login', { ...victim, origin: EVIL, 'content-type': 'text/plain' }, failure);
      await post('/api/validate', { ...victim, origin: EVIL }, { email: 'x@example.org', code_from_user: '12345678' });
      await post('/api/forgot', { ...victim, origin: EVIL }, { email: 'x@example.org' });
    }
    for (let i = 0; i < 101; i++) await post('/api/create', { ...victim, 'sec-fetch-site': 'cross-site' });
    const { status, headers } = await post('/api/sessions', victim, failure);
    expect([status, headers.get('ratelimit')]).toEqual([401, '"sign-in";r=4;t=0']);
    expect((await post('/api/sessions', victim, { login: username, password: PASSWORD })).status).toBe(201);
    expect((await post('/api/forgot', victim, { email: 'x@example.org' })).headers.get('ratelimit')).toMatch(/r=29;/);
    const registration = { username: 'still-free', password: PASSWORD, fullname: 'Free' };
    expect((await post('/api/users', victim, registration)).headers.get('ratelimit')).toMatch(/r=99;/);
  });

  it('may read what is public', async () => {
    const headers = { origin: EVIL, 'sec-fetch-site': 'cross-site' };
    expect((await t.request('GET', '/api/misc/ping', { headers })).status).toBe(200);
  });
});

describe('a sign-in', () => {
  const OWN: [string, (url: string) => Record<string, string>][] = [
    ['without Origin, as other clients than browsers send it', () => ({})],
    ['from Swagger UI', (url) => ({ origin: url, 'sec-fetch-site': 'same-origin', referer: `${url}/docs/` })],
    ['from an allowed origin of another site', () => ({ origin: FRONT, 'sec-fetch-site': 'cross-site' })],
    ['typed by the user', () => ({ 'sec-fetch-site': 'none' })],
    ['from a form of our own page without a referrer', () => ({ origin: 'null', 'sec-fetch-site': 'same-origin' })],
  ];

  it.each(OWN)('%s is accepted', async (_, headersOf) => {
    const { username } = await t.user();
    const headers = headersOf(t.url);
    expect((await post('/api/sessions', headers, { login: username, password: PASSWORD })).status).toBe(201);
    expect((await post('/api/auth/login', headers, { username, password: PASSWORD })).status).toBe(202);
  });

  it('from the origin of PUBLIC_URL is accepted behind a proxy that changes the Host', async () => {
    const behind = await startApp({ env: { PUBLIC_URL: 'https://machi.example/base' } });
    const { username } = await behind.user();
    const body = { login: username, password: PASSWORD };
    const statusFrom = async (origin: string) =>
      (await behind.request('POST', '/api/sessions', { headers: { origin }, body })).status;
    expect([await statusFrom('https://machi.example'), await statusFrom(EVIL)]).toEqual([201, 403]);
    await behind.stop();
  });

  it('from any origin is accepted with ALLOWED_ORIGINS=*', async () => {
    const open = await startApp({ env: { ALLOWED_ORIGINS: '*' } });
    const { username } = await open.user();
    const headers = { origin: EVIL, 'sec-fetch-site': 'cross-site' };
    const body = { login: username, password: PASSWORD };
    expect((await open.request('POST', '/api/sessions', { headers, body })).status).toBe(201);
    await open.stop();
  });
});

it('the page of a mailed link lets browsers send its Origin with the form', async () => {
  const { headers } = await t.request('GET', `/api/email-verifications/${'x'.repeat(43)}`);
  expect(headers.get('referrer-policy')).toBe('same-origin');
});

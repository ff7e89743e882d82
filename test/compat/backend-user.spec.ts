import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { mailboxes, type Smtp, startSmtp } from '../support/servers/smtp-server.js';

let t: TestApp;
let smtp: Smtp;
const mailbox = mailboxes(
  () => t,
  () => smtp,
);
beforeAll(async () => {
  smtp = await startSmtp();
  t = await startApp({ env: { SMTP_URL: smtp.url, RATE_LIMITS: 'on', TRUST_PROXY: 'loopback' } });
});
afterAll(async () => {
  await t.stop();
  await smtp.stop();
});

let networks = 0;
const from = (): Record<string, string> => ({ 'x-forwarded-for': `198.51.100.${++networks}` });

const registration = () => ({
  name: 'Noor',
  email: `${randomUUID().slice(0, 8)}@example.org`,
  password: PASSWORD,
  nid: '1990040112345',
  phone_number: '01700 000-000',
});

const create = (body: object) => t.request('POST', '/api/create', { body, headers: from() });

/** As OAuth 2 clients, browsers' forms and scripts send it. */
async function send(path: string, fields: Record<string, string>, kind: 'urlencoded' | 'multipart' | 'json') {
  const form = new FormData();
  for (const field of Object.entries(fields)) form.append(...field);
  const body = { urlencoded: new URLSearchParams(fields), multipart: form, json: JSON.stringify(fields) }[kind];
  const type: Record<string, string> = kind === 'json' ? { 'content-type': 'application/json' } : {};
  const response = await fetch(t.url + path, { method: 'POST', body, headers: { ...type, ...from() } });
  const text = await response.text();
  return { status: response.status, text, body: JSON.parse(text) as Record<string, string> };
}

const KINDS = ['urlencoded', 'multipart', 'json'] as const;

async function registered() {
  const body = registration();
  const created = await create(body);
  const { body: token } = await send('/api/login', { username: body.email, password: PASSWORD }, 'urlencoded');
  return { ...body, id: (created.body as { id: string }).id, token: token['access_token']! };
}

describe('POST /create', () => {
  it('returns the user without password, role or undocumented fields', async () => {
    const body = registration();
    const extra = { role_id: 1, verified: true, is_active: false, id: 7, groups: ['admin'], username: 'root' };
    const { status, body: user } = await create({ ...body, ...extra });
    expect(status).toBe(201);
    expect(user).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'Noor',
      email: body.email,
      nid: '1990040112345',
      verified: false,
      phone_number: '01700000000',
      address: null,
    });
    const token = await t.signIn(body.email, PASSWORD);
    const { body: me } = await t.request('GET', '/api/users/me', { token });
    expect(me).toMatchObject({ fullname: 'Noor', groups: [], permissions: { admin: false } });
    expect(me['username']).not.toContain(body.email.split('@')[0]);
    expect(JSON.stringify(me)).not.toContain('1990040112345');
  });

  it.each([
    [{ name: '' }, 422],
    [{ email: 'nonsense' }, 422],
    [{ nid: '' }, 422],
    [{ nid: { $ne: 1 } }, 422],
    [{ nid: 1e21 }, 422],
    [{ phone_number: 'none' }, 422],
    [{ password: 'short' }, 422],
    [{ password: undefined }, 422],
    [{ address: 'a\nb' }, 422],
    [{ name: '\0' }, 400],
  ])('refuses %j', async (wrong, status) => {
    expect((await create({ ...registration(), ...wrong })).status).toBe(status);
  });

  it.each(['[]', '', 'null', '{'])('refuses the body %j', async (body) => {
    const answer = await t.request('POST', '/api/create', { body, headers: from() });
    expect([400, 422]).toContain(answer.status);
  });

  it('accepts numbers in text fields and an address', async () => {
    const { body } = await create({ ...registration(), nid: 19900401, phone_number: 1700000000, address: 'Dhaka' });
    expect(body).toMatchObject({ nid: '19900401', phone_number: '1700000000', address: 'Dhaka' });
  });

  it.each(['', '  '])('takes an address of %j as absent, as its own form sends it', async (address) => {
    const { status, body } = await create({ ...registration(), address });
    expect([status, (body as { address: unknown }).address]).toEqual([201, null]);
  });

  it('answers 400 for a second account with the same address', async () => {
    const body = registration();
    await create(body);
    expect((await create({ ...body, email: body.email.toUpperCase() })).body).toMatchObject({
      status: 400,
      code: 'already_registered',
    });
  });
});

describe('POST /login', () => {
  it.each(KINDS)('accepts the OAuth 2 password form (%s)', async (kind) => {
    const { email } = await registered();
    const fields = { grant_type: 'password', username: email, password: PASSWORD, scope: '', client_id: 'x' };
    const { status, body } = await send('/api/login', fields, kind);
    expect([status, body]).toEqual([200, { access_token: expect.any(String), token_type: 'Bearer' }]);
    const profile = await t.request('GET', '/api/profile', { token: body['access_token'] });
    expect(profile.body['email']).toBe(email);
  });

  it('answers 400 alike for unknown users and wrong passwords', async () => {
    const { email } = await registered();
    const attempts = [
      await send('/api/login', { username: 'nobody@example.org', password: 'wrong' }, 'urlencoded'),
      await send('/api/login', { username: email, password: 'wrong' }, 'multipart'),
    ];
    expect(attempts.map(({ status }) => status)).toEqual([400, 400]);
    const [one, other] = attempts.map(({ text }) => text.replace(/"request_id":"[^"]+"/, ''));
    expect(one).toBe(other);
  });

  it.each([
    ['a long login', { username: 'x'.repeat(400), password: PASSWORD }],
    ['a login of two lines', { username: 'a\nb', password: PASSWORD }],
    ['a long password', { username: 'nobody@example.org', password: 'x'.repeat(2000) }],
  ])('answers 400 as for any unknown user to %s', async (_, fields) => {
    const { status, body } = await send('/api/login', fields, 'urlencoded');
    expect([status, body['code']]).toEqual([400, 'login_refused']);
  });

  it.each<[string, string, string]>([
    ['a broken multipart', 'multipart/form-data; boundary=x', '--y\r\n'],
    ['multipart without a boundary', 'multipart/form-data', 'x'],
    [
      'a truncated multipart',
      'multipart/form-data; boundary=x',
      '--x\r\ncontent-disposition: form-data; name="username"\r\n\r\na',
    ],
    ['no fields', 'application/x-www-form-urlencoded', ''],
    ['fields of every object', 'application/x-www-form-urlencoded', '__proto__=1&constructor=2'],
    ['NUL', 'application/x-www-form-urlencoded', 'username=a%00b&password=x'],
    ['broken JSON', 'application/json', '{'],
    ['text', 'text/plain', 'username=a&password=b'],
    [
      'a file',
      'multipart/form-data; boundary=x',
      '--x\r\ncontent-disposition: form-data; name="username"; filename="a"\r\n\r\na\r\n--x--\r\n',
    ],
  ])('refuses %s', async (_, type, body) => {
    const answer = await t.request('POST', '/api/login', { body, headers: { 'content-type': type, ...from() } });
    expect([400, 415, 422]).toContain(answer.status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  it('refuses an oversized form', async () => {
    const answer = await send('/api/login', { username: 'a', password: 'x'.repeat(110_000) }, 'urlencoded');
    expect(answer.status).toBe(413);
  });
});

describe('GET /profile', () => {
  it('returns the caller with the national id', async () => {
    const { id, token, name, email, nid } = await registered();
    expect((await t.request('GET', '/api/profile', { token })).body).toEqual({
      id,
      name,
      email,
      nid,
      verified: false,
      phone_number: '01700000000',
      address: null,
      role_id: 1,
    });
  });

  it('returns role_id 2 to callers with verify_registrations or admin, else 1', async () => {
    const roleOf = async (token: string) => (await t.request('GET', '/api/profile', { token })).body['role_id'];
    expect(await roleOf((await registered()).token)).toBe(1);
    expect(await roleOf((await t.user('moderate_avatars')).token)).toBe(1);
    expect(await roleOf((await t.user('verify_registrations')).token)).toBe(2);
    expect(await roleOf(await t.asAdmin())).toBe(2);
  });

  it('requires a Bearer token', async () => {
    const { status, headers } = await t.request('GET', '/api/profile');
    expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  });

  it('is the only route that returns a national id', async () => {
    const { id, token } = await registered();
    const admin = await t.asAdmin();
    for (const [path, by] of [
      ['/api/users/me', token],
      [`/api/users/${id}`, admin],
      ['/api/users?q=noor', admin],
      ['/api/sessions/current', token],
      [`/api/audit?subject_id=${id}`, admin],
    ] as const) {
      const { status, text } = await t.request('GET', path, { token: by });
      expect([path, status, text.includes('1990040112345')]).toEqual([path, 200, false]);
    }
    expect(t.logLines.join('')).not.toContain('1990040112345');
  });
});

describe.each([
  ['/api/forgot_password', '/api/validate_code'],
  ['/api/forgot', '/api/validate'],
])('%s and %s', (forgot, validate) => {
  it.each(KINDS)('lead to a new password (%s)', async (kind) => {
    const { email } = await registered();
    const requested = await send(forgot, { email }, kind);
    expect([requested.status, requested.body]).toEqual([200, { message: expect.any(String) }]);
    const code = await mailbox.code(email);
    const { status, body } = await send(validate, { code_from_user: code, email }, kind);
    expect([status, body]).toEqual([200, { message: expect.any(String), reset_token: expect.any(String) }]);
    const { reset_token } = body;
    const reset = await t.request('PUT', '/api/password-resets', {
      body: { reset_token, password: `${PASSWORD} two` },
    });
    expect(reset.status).toBe(204);
    const login = await send('/api/login', { username: email, password: `${PASSWORD} two` }, 'urlencoded');
    expect(login.status).toBe(200);
    const profile = await t.request('GET', '/api/profile', { token: login.body['access_token'] });
    expect(profile.body['verified']).toBe(true);
  });

  it('do not reveal whether an account exists', async () => {
    const { email } = await registered();
    const answers = [await send(forgot, { email }, 'json'), await send(forgot, { email: 'no@example.org' }, 'json')];
    expect(answers[0]).toEqual(answers[1]);
  });

  it('answer 200 as for any unknown address to what is no address', async () => {
    const unknown = await send(forgot, { email: 'no@example.org' }, 'json');
    for (const email of ['nonsense', '', 'a@b', `${'x'.repeat(3000)}@example.org`]) {
      expect(await send(forgot, { email }, 'urlencoded')).toEqual(unknown);
    }
    expect((await send(forgot, {}, 'json')).status).toBe(422);
    expect((await t.request('POST', forgot, { body: { email: [1] }, headers: from() })).status).toBe(422);
  });

  it('accept a code as a number, which has lost the zeros in front', async () => {
    const { email } = await registered();
    let code = '';
    for (let i = 0; i < 200 && !code.startsWith('0'); i++) {
      t.clock.advance(3600_000); // an address gets five codes an hour
      await send(forgot, { email }, 'json');
      code = await mailbox.code(email);
    }
    const body = { email, code_from_user: Number(code) };
    expect((await t.request('POST', validate, { body, headers: from() })).status).toBe(200);
    t.clock.set(Date.now());
  });

  it('answer 404 alike for wrong, used, expired and unknown codes', async () => {
    const { email } = await registered();
    await send(forgot, { email }, 'json');
    const code = await mailbox.code(email);
    const refused = async (fields: Record<string, string>) => {
      const { status, text } = await send(validate, fields, 'urlencoded');
      return [status, text.replace(/"request_id":"[^"]+"/, '')];
    };
    const wrong = await refused({ email, code_from_user: code === '00000000' ? '1' : '00000000' });
    expect(wrong[0]).toBe(404);
    expect(await refused({ email: 'no@example.org', code_from_user: code })).toEqual(wrong);
    expect(await refused({ code_from_user: code })).toEqual(wrong);
    expect(await refused({ email: '', code_from_user: code })).toEqual(wrong);
    expect(await refused({ email: 'nonsense', code_from_user: code })).toEqual(wrong);
    expect(await refused({ email })).toEqual(wrong);
    expect(await refused({})).toEqual(wrong);
    expect((await send(validate, { email, code_from_user: code }, 'json')).status).toBe(200);
    expect(await refused({ email, code_from_user: code })).toEqual(wrong);
  });
});

import { getRounds } from 'bcrypt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const hana = { username: 'Hana.Sato', password: PASSWORD, fullname: 'Hana Sató', email: ' Hana@Example.ORG ' };
const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

describe('POST /api/users', () => {
  it('registers a user, who can sign in by username and by e-mail address', async () => {
    const details = { phone_number: '+81312345678', address: '1-1 Chiyoda', birthday: '1990-04-01' };
    const { status, body, headers } = await t.request('POST', '/api/users', { body: { ...hana, ...details } });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/api/users/${body['id']}`);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      username: 'Hana.Sato',
      fullname: 'Hana Sató',
      email: 'hana@example.org',
      email_verified: false,
      pending_email: null,
      ...details,
      avatar_url: `/api/users/${body['id']}/avatar`,
      is_active: true,
      groups: [],
      permissions: expect.objectContaining({ admin: false, early_access: false }),
      early_access_days: 0,
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
      updated_at: body['created_at'],
    });
    await t.signIn('hana.SATO', PASSWORD);
    await t.signIn('HANA@example.org', PASSWORD);
  });

  it.each([
    ['a username taken in another letter case', { username: 'hana.sato' }, 409, 'username_taken'],
    [
      'an e-mail address taken in another letter case',
      { username: 'other', email: 'HANA@EXAMPLE.org' },
      409,
      'email_taken',
    ],
    ['a common password', { password: 'Password1' }, 422, 'password_refused'],
    ['a password of 7 bytes', { password: 'zqxvkwp' }, 422, 'password_refused'],
    ['a password of 73 bytes', { password: 'é'.repeat(36) + 'x' }, 422, 'password_refused'],
    ['the username as password', { username: 'zqxvkwpz', password: 'ZQXVKWPZ' }, 422, 'password_refused'],
    [
      'the e-mail address as password',
      { email: 'zq@example.org', password: 'zq@example.org' },
      422,
      'password_refused',
    ],
    ['a username of 2 letters', { username: 'ab' }, 422, 'validation_failed'],
    ['a username of 31 letters', { username: 'a'.repeat(31) }, 422, 'validation_failed'],
    ['a username with @', { username: 'a@b.org' }, 422, 'validation_failed'],
    ['a username with a letter of another script', { username: 'аdmin' }, 422, 'validation_failed'],
    ['a username that is a number', { username: 12345 }, 422, 'validation_failed'],
    ['an e-mail address without a domain', { email: 'nobody' }, 422, 'validation_failed'],
    ['an e-mail address with a letter that looks like k', { email: '\u212aim@example.org' }, 422, 'validation_failed'],
    ['an e-mail address with quotes', { email: '"a@evil.example,"@example.org' }, 422, 'validation_failed'],
    ['an e-mail address with invisible letters', { email: 'kim@example.org\ufeff' }, 422, 'validation_failed'],
    ['no full name', { fullname: undefined }, 422, 'validation_failed'],
    ['a blank full name', { fullname: '  ' }, 422, 'validation_failed'],
    ['a full name of two lines', { fullname: 'a\nb' }, 422, 'validation_failed'],
    ['a full name with a mark that changes the text direction', { fullname: 'a\u202eb' }, 422, 'validation_failed'],
    ['a local phone number', { phone_number: '0312345678' }, 422, 'validation_failed'],
    ['a date that does not exist', { birthday: '1990-02-30' }, 422, 'validation_failed'],
    ['a birthday in the future', { birthday: '2999-01-01' }, 422, 'validation_failed'],
    ['permissions', { permissions: { admin: true } }, 422, 'validation_failed'],
    ['groups', { groups: ['Administrators'] }, 422, 'validation_failed'],
    ['role_id', { role_id: 1 }, 422, 'validation_failed'],
    ['verified', { verified: true }, 422, 'validation_failed'],
    ['an id', { id: UNKNOWN_ID }, 422, 'validation_failed'],
    ['created_at', { created_at: '2000-01-01' }, 422, 'validation_failed'],
    ['password_hash', { password_hash: 'x' }, 422, 'validation_failed'],
    ['is_active', { is_active: false }, 422, 'validation_failed'],
  ])('refuses %s', async (_, change, status, code) => {
    const fine = { username: 'somebody', password: PASSWORD, fullname: 'Some Body' };
    const answer = await t.request('POST', '/api/users', { body: { ...fine, ...change } });
    expect(answer.body).toMatchObject({ status, code, request_id: answer.headers.get('x-request-id') });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  it('answers 422 with one error per invalid field', async () => {
    const { body } = await t.request('POST', '/api/users', { body: { username: '!', password: 5 } });
    const paths = (body['errors'] as { path: string }[]).map(({ path }) => path);
    expect(new Set(paths)).toEqual(new Set(['username', 'password', 'fullname']));
  });

  it('normalises passwords to NFC and does not trim them; accepts 72 bytes', async () => {
    const password = ' ' + 'e\u0301'.repeat(35) + ' '; // 72 bytes once composed
    await t.request('POST', '/api/users', { body: { username: 'composed', password, fullname: 'C' } });
    await t.signIn('composed', ' ' + '\u00e9'.repeat(35) + ' ');
    const { status } = await t.request('POST', '/api/sessions', {
      body: { login: 'composed', password: password.trim() },
    });
    expect(status).toBe(401);
  });

  it('stores bcrypt hashes of the configured cost', async () => {
    const [row] = await t.dataSource.query<{ password_hash: string }[]>(
      `select password_hash from users where username = 'hana.sato'`,
    );
    expect(getRounds(row!.password_hash)).toBe(t.config.BCRYPT_COST);
  });

  it('accepts any password of 1 to 72 bytes with PASSWORD_POLICY=off', async () => {
    const lax = await startApp({ env: { PASSWORD_POLICY: 'off' } });
    const register = (username: string, password: string) =>
      lax.request('POST', '/api/users', { body: { username, password, fullname: 'X' } });
    expect((await register('one', 'x')).status).toBe(201);
    expect((await register('two', 'x'.repeat(72))).status).toBe(201);
    expect((await register('three', '')).body['code']).toBe('password_refused');
    expect((await register('four', 'x'.repeat(73))).body['code']).toBe('password_refused');
    await lax.stop();
  });
});

import bcrypt from 'bcrypt';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { BCRYPT_COST: '6' } });
});
afterAll(() => t.stop());
afterEach(() => vi.restoreAllMocks());

/** Rounds of bcrypt that a call takes, and what it answers but for the request's id. */
async function costOf(path: string, body: object) {
  const compare = vi.spyOn(bcrypt, 'compare');
  const hash = vi.spyOn(bcrypt, 'hash');
  const { status, text, headers } = await t.request('POST', path, { body });
  const compared = compare.mock.calls.map(([, stored]) => 2 ** bcrypt.getRounds(stored));
  const hashed = hash.mock.calls.map(([, cost]) => 2 ** Number(cost));
  vi.restoreAllMocks();
  const rounds = [...compared, ...hashed].reduce((sum, each) => sum + each, 0);
  return { status, rounds, text: text.replace(headers.get('x-request-id')!, '') };
}

const signInRoutes = [
  ['/api/sessions', (login: string, password: string) => ({ login, password })],
  ['/api/auth/login', (username: string, password: string) => ({ username, password })],
  ['/api/login', (username: string, password: string) => ({ username, password })],
] as const;

it.each(signInRoutes)(
  'POST %s takes the same number of bcrypt rounds and returns the same bytes for known and unknown logins',
  async (path, body) => {
    const [user, old, gone] = [await t.user(), await t.user(), await t.user()];
    const weak = await bcrypt.hash(PASSWORD, 4);
    await t.dataSource.query('update users set password_hash = $2 where id = $1', [old.id, weak]);
    await t.request('PATCH', `/api/users/${gone.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    const elsewhere = await t.user();
    await t.dataSource.query('update users set password_hash = null where id = $1', [elsewhere.id]);
    const refused: Awaited<ReturnType<typeof costOf>>[] = [];
    for (const [login, password] of [
      ['nobody-at-all', 'wrong'],
      ['nobody@example.org', 'wrong'],
      [user.username, 'wrong'],
      [`${user.username}@example.org`, 'wrong'],
      [old.username, 'wrong'],
      [elsewhere.username, PASSWORD],
      [gone.username, 'wrong'],
      [gone.username, PASSWORD],
    ] as const) {
      refused.push(await costOf(path, body(login, password)));
    }
    expect(refused[0]!.rounds).toBe(2 ** 6);
    expect(refused).toEqual(refused.map(() => refused[0]));
  },
);

it.each([
  ['/api/password-resets', (email: string) => ({ email })],
  ['/api/forgot_password', (email: string) => ({ email })],
  ['/api/password-resets/validate', (email: string) => ({ email, code: '00000000' })],
  ['/api/validate_code', (email: string) => ({ email, code_from_user: '00000000' })],
] as const)(
  'POST %s hashes no password and returns the same bytes for known and unknown addresses',
  async (path, body) => {
    const { username } = await t.user();
    const known = await costOf(path, body(`${username}@example.org`));
    expect(known.rounds).toBe(0);
    expect(await costOf(path, body('nobody@example.org'))).toEqual(known);
  },
);

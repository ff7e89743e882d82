import bcrypt from 'bcrypt';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { PasswordChangesService } from '../../../src/auth/passwords/password-changes.service.js';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { addressOf } from '../../support/servers/smtp-server.js';
import { twoFactorUser } from '../../support/clients/totp.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => t.stop());

type Change = [method: string, path: string, body: object];
const current_password = PASSWORD;
const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

/** Checking a password takes a while, in which the owner sets another one by a reset. */
it.each<Change>([
  ['PATCH', '/api/users/me', { email: 'attacker@example.org', current_password }],
  ['PUT', '/api/users/me/password', { current_password, new_password: 'the word of a attacker' }],
  ['DELETE', '/api/users/me', { password: PASSWORD }],
  ['DELETE', '/api/users/me/two-step', { current_password, code: '123456' }],
  ['POST', '/api/users/me/two-step/recovery-codes', { current_password, code: '123456' }],
  ['DELETE', `/api/users/me/passkeys/${UNKNOWN_ID}`, { current_password }],
  ['DELETE', `/api/users/me/identities/${UNKNOWN_ID}`, { current_password }],
])('%s %s answers 403 and changes nothing when the password is reset during the check', async (method, path, body) => {
  const user: SignedInUser = path.includes('two-step') ? await twoFactorUser(t) : await t.user();
  const email = addressOf(user);
  const password_hash = await bcrypt.hash('silent meadow ninety', 4);
  const compare = bcrypt.compare.bind(bcrypt) as (text: string, stored: string) => Promise<boolean>;
  const spy = vi.spyOn(bcrypt, 'compare') as unknown as { mockImplementationOnce: (as: typeof compare) => void };
  spy.mockImplementationOnce(async (text, stored) => {
    const isRight = await compare(text, stored);
    const changes = t.app.get(PasswordChangesService, { strict: false });
    await t.dataSource.transaction((manager) => changes.replace(manager, user.id, password_hash));
    return isRight;
  });
  const answer = await t.request(method, path, { token: user.token, body });
  expect([answer.status, answer.body['code']]).toEqual([403, 'wrong_password']);
  const [row] = await t.dataSource.query<{ email: string }[]>('select email from users where id = $1', [user.id]);
  expect(row).toEqual({ email });
});

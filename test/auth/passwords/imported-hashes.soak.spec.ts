import { hash as argon2Hash } from '@node-rs/argon2';
import bcrypt from 'bcrypt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

/** A user whose row has been imported with this hash. */
async function userWithHash(hash: string): Promise<string> {
  const { id, username } = await t.user();
  await t.dataSource.query('update users set password_hash = $2 where id = $1', [id, hash]);
  return username;
}

const signIn = async (login: string, password: string) =>
  (await t.request('POST', '/api/sessions', { body: { login, password } })).status;

const storedHash = async (username: string): Promise<string> => {
  const [row] = await t.dataSource.query<{ password_hash: string }[]>(
    'select password_hash from users where username = $1',
    [username],
  );
  return row!.password_hash;
};

const argon2id = (options = {}) =>
  argon2Hash(PASSWORD, { memoryCost: 19_456, timeCost: 2, parallelism: 1, ...options });
const bcryptHash = (cost = 4) => bcrypt.hash(PASSWORD, cost);

describe('an imported password hash', () => {
  it.each([
    ['argon2id', () => argon2id()],
    ['argon2id of 64 MiB and four lanes', () => argon2id({ memoryCost: 65_536, timeCost: 3, parallelism: 4 })],
    ['bcrypt with the prefix $2y$ of PHP', async () => (await bcryptHash()).replace('$2b$', '$2y$')],
    ['bcrypt with the prefix $2a$', async () => (await bcryptHash()).replace('$2b$', '$2a$')],
  ])('of %s opens a session for the right password only, and is replaced by bcrypt', async (_, make) => {
    const hash = await make();
    const username = await userWithHash(hash);
    expect(await signIn(username, 'another password')).toBe(401);
    expect(await storedHash(username)).toBe(hash);
    expect(await signIn(username, PASSWORD)).toBe(201);
    expect(await storedHash(username)).toMatch(/^\$2b\$04\$/);
    expect(await signIn(username, PASSWORD)).toBe(201);
    expect(await signIn(username, 'another password')).toBe(401);
  });

  it.each([
    ['empty', () => ''],
    ['a word', () => 'secret'],
    ['MD5', () => '5ebe2294ecd0e0f08eab7690d2a6ee69'],
    ['scrypt', () => 'scrypt:32768:8:1$salt$00ff'],
    ['PBKDF2', () => 'pbkdf2_sha256$260000$salt$00ff'],
    ['argon2i', () => argon2id({ algorithm: 1 })],
    ['bcrypt that is cut off', async () => (await bcryptHash()).slice(0, -1)],
    ['bcrypt of cost 31', async () => (await bcryptHash()).replace('$04$', '$31$')],
    ['bcrypt of cost 3', async () => (await bcryptHash()).replace('$04$', '$03$')],
    ['bcrypt of the faulty version $2x$', async () => (await bcryptHash()).replace('$2b$', '$2x$')],
    ['argon2id of 4 GiB', async () => (await argon2id()).replace('m=19456', 'm=4194304')],
    ['argon2id of 200 passes', async () => (await argon2id()).replace('t=2', 't=200')],
    ['argon2id of no passes', async () => (await argon2id()).replace('t=2', 't=0')],
    ['argon2id of 255 lanes', async () => (await argon2id()).replace('p=1', 'p=255')],
    ['argon2id of less memory than its lanes need', async () => (await argon2id()).replace('m=19456', 'm=7')],
    ['argon2id of version 16', async () => (await argon2id()).replace('v=19', 'v=16')],
    ['argon2id without a hash', async () => (await argon2id()).replace(/\$[^$]+$/, '')],
  ])('that is %s is answered with 401, at once, and stays', async (_, make) => {
    const hash = await make();
    const username = await userWithHash(hash);
    const started = performance.now();
    expect(await signIn(username, PASSWORD)).toBe(401);
    expect(performance.now() - started).toBeLessThan(3000);
    expect(await storedHash(username)).toBe(hash);
  });

  it('of argon2id proves the current password for a new one', async () => {
    const { id, token } = await t.user();
    await t.dataSource.query('update users set password_hash = $2 where id = $1', [id, await argon2id()]);
    const change = (current_password: string) =>
      t.request('PUT', '/api/users/me/password', {
        token,
        body: { current_password, new_password: 'silent meadow ninety' },
      });
    expect((await change('another password')).status).toBe(403);
    expect((await change(PASSWORD)).status).toBe(204);
  });

  it('of argon2id is verified for 30 sign-ins at once', async () => {
    const username = await userWithHash(await argon2id({ memoryCost: 65_536 }));
    const statuses = await Promise.all(Array.from({ length: 30 }, () => signIn(username, PASSWORD)));
    expect(statuses.filter((status) => status >= 500 && status !== 503)).toEqual([]);
    expect(statuses).toContain(201);
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { AUDIENCE, startProvider } from '../../support/servers/oidc-issuer.js';

let provider: Awaited<ReturnType<typeof startProvider>>;
let t: TestApp;
beforeAll(async () => {
  provider = await startProvider();
  t = await startApp({ env: { EXTERNAL_IDENTITY: 'oidc', OIDC_ISSUER: provider.issuer, OIDC_AUDIENCE: AUDIENCE } });
  await t.warmUp();
});
afterAll(async () => {
  await t.stop();
  await provider.stop();
});

const exchange = (token: string) => t.request('POST', '/api/sessions/exchange', { body: { token } });
const tokenOf = async (subject: string, claims: object = {}) => (await provider.signIn(subject, claims)).access_token;
const nameOf = () => `name-${randomUUID().slice(0, 8)}`;

it('30 exchanges at once of a new identity create one user', async () => {
  for (let round = 0; round < 5; round++) {
    const subject = randomUUID();
    const token = await tokenOf(subject, {
      preferred_username: nameOf(),
      email: `${subject}@example.org`,
      email_verified: true,
    });
    const answers = await Promise.all(Array.from({ length: 30 }, () => exchange(token)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(new Set(answers.map(({ body }) => body['user']['id'])).size).toBe(1);
    const rows = await t.dataSource.query<unknown[]>('select from external_identities where subject = $1', [subject]);
    expect(rows).toHaveLength(1);
    const users = await t.dataSource.query<unknown[]>('select from users where email = $1', [`${subject}@example.org`]);
    expect(users).toHaveLength(1);
  }
});

it('20 new identities with the same username and address at once create 20 users', async () => {
  const [name, email] = [nameOf(), `${randomUUID()}@example.org`];
  const tokens: string[] = [];
  for (let i = 0; i < 20; i++) {
    tokens.push(await tokenOf(randomUUID(), { preferred_username: name, email, email_verified: true }));
  }
  const answers = await Promise.all(tokens.map((token) => exchange(token)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
  const users = answers.map(({ body }) => body['user'] as { id: string; username: string; email: string | null });
  expect(new Set(users.map(({ id }) => id)).size).toBe(20);
  expect(users.filter(({ username }) => username === name)).toHaveLength(1);
  expect(users.filter((user) => user.email === email)).toHaveLength(1);
});

it('an identity linked by 20 users at once is linked to one of them', async () => {
  const token = await tokenOf(randomUUID());
  const users = await Promise.all(Array.from({ length: 20 }, () => t.user()));
  const answers = await Promise.all(
    users.map((user) =>
      t.request('POST', '/api/users/me/identities', { token: user.token, body: { token, current_password: PASSWORD } }),
    ),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ body }) => body['code'] === 'identity_taken')).toHaveLength(19);
});

it('removing the last two sign-in methods at once leaves one (20 rounds)', async () => {
  for (let round = 0; round < 20; round++) {
    const token = (await exchange(await tokenOf(randomUUID()))).body['identity_token'];
    const body = { token: await tokenOf(randomUUID()) };
    await t.request('POST', '/api/users/me/identities', { token, body });
    const { body: both } = await t.request('GET', '/api/users/me/identities', { token });
    const answers = await Promise.all(
      (both as unknown as { id: string }[]).map(({ id }) =>
        t.request('DELETE', `/api/users/me/identities/${id}`, { token }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, 409]);
  }
});

it('exchanging and linking a new identity at once leads to one user (40 rounds)', async () => {
  const { token: caller, id } = await t.user();
  for (let round = 0; round < 40; round++) {
    const subject = randomUUID();
    const token = await tokenOf(subject);
    const link = () =>
      t.request('POST', '/api/users/me/identities', { token: caller, body: { token, current_password: PASSWORD } });
    const early = round % 2 ? exchange(token) : undefined;
    const linking = link();
    const [exchanged, linked] = await Promise.all([early ?? exchange(token), linking]);
    const [row] = await t.dataSource.query<{ user_id: string }[]>(
      'select user_id from external_identities where subject = $1',
      [subject],
    );
    expect(exchanged.body['user']['id']).toBe(row!.user_id);
    expect([round, linked.status]).toEqual([round, row!.user_id === id ? 201 : 409]);
  }
});

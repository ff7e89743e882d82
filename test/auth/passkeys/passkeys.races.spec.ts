import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Answer, PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { VirtualAuthenticator } from '../../support/clients/virtual-authenticator.js';

const ORIGIN = 'https://machi.example';
const CROWD = 30;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { PUBLIC_URL: ORIGIN } });
});
afterAll(() => t.stop());

const path = '/api/users/me/passkeys';
const requestOptions = async () =>
  (await t.request('POST', '/api/sessions/passkey/options')).body as { challenge: string; rpId: string };
const creationOptions = async (token: string) =>
  (await t.request('POST', `${path}/options`, { token, body: { current_password: PASSWORD } })).body as Parameters<
    VirtualAuthenticator['create']
  >[0];
const create = (token: string, credential: object) => t.request('POST', path, { token, body: { credential } });
const signInWith = (credential: object) => t.request('POST', '/api/sessions/passkey', { body: { credential } });

const tally = (answers: Answer[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const key = `${status} ${body['code'] ?? ''}`.trim();
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
};

async function register({ token }: SignedInUser): Promise<{ authenticator: VirtualAuthenticator; id: string }> {
  const authenticator = new VirtualAuthenticator(ORIGIN);
  const { body } = await create(token, authenticator.create(await creationOptions(token)));
  return { authenticator, id: body['id'] };
}

it('one response sent 30 times at once opens one session', async () => {
  const user = await t.user();
  const { authenticator } = await register(user);
  const credential = authenticator.get(await requestOptions(), { counter: 0 }); // so that no counter helps
  await t.warmUp();
  const answers = await Promise.all(Array.from({ length: CROWD }, () => signInWith(credential)));
  expect(tally(answers)).toEqual({ '201': 1, '401 invalid_passkey': CROWD - 1 });
  const sessions = await t.dataSource.query<unknown[]>('select from sessions where user_id = $1', [user.id]);
  expect(sessions).toHaveLength(2);
});

it('copies of a key with the same counter and 30 challenges at once open one session', async () => {
  const { authenticator } = await register(await t.user());
  const options = await Promise.all(Array.from({ length: CROWD }, requestOptions));
  await t.warmUp();
  const credentials = options.map((each) => authenticator.get(each, { counter: 5 }));
  const answers = await Promise.all(credentials.map(signInWith));
  expect(tally(answers)).toEqual({ '201': 1, '401 invalid_passkey': CROWD - 1 });
});

it('one registration sent 30 times at once creates one passkey', async () => {
  const { token } = await t.user();
  const credential = new VirtualAuthenticator(ORIGIN).create(await creationOptions(token));
  await t.warmUp();
  const answers = await Promise.all(Array.from({ length: CROWD }, () => create(token, credential)));
  expect(tally(answers)).toEqual({ '201': 1, '422 passkey_refused': CROWD - 1 });
});

it('one credential registered by ten users at once belongs to one of them', async () => {
  const users = await Promise.all(Array.from({ length: 10 }, () => t.user()));
  const authenticator = new VirtualAuthenticator(ORIGIN);
  const options = await Promise.all(users.map(({ token }) => creationOptions(token)));
  await t.warmUp();
  const answers = await Promise.all(users.map(({ token }, i) => create(token, authenticator.create(options[i]!))));
  expect(tally(answers)).toEqual({ '201': 1, '409 passkey_taken': 9 });
});

it('30 passkeys registered at once lead to twenty passkeys', async () => {
  const { token } = await t.user();
  const options = await Promise.all(Array.from({ length: CROWD }, () => creationOptions(token)));
  await t.warmUp();
  const answers = await Promise.all(
    options.map((each) => create(token, new VirtualAuthenticator(ORIGIN).create(each))),
  );
  expect(tally(answers)).toEqual({ '201': 20, '409 too_many_passkeys': 10 });
});

it('removing the last two passkeys of a user without a password at once leaves one', async () => {
  await t.warmUp();
  for (let round = 0; round < 20; round++) {
    const user = await t.user();
    const ids = [(await register(user)).id, (await register(user)).id];
    await t.dataSource.query('update users set password_hash = null where id = $1', [user.id]);
    const answers = await Promise.all(ids.map((id) => t.request('DELETE', `${path}/${id}`, { token: user.token })));
    expect(tally(answers)).toEqual({ '204': 1, '409 last_way_to_sign_in': 1 });
  }
});

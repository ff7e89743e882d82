import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { openSession, refreshSession, statusWith } from '../../support/clients/session-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m', REFRESH_TOKEN_TTL: '7d', SESSION_MAX_AGE: '30d' } });
  await t.warmUp();
});
beforeEach(() => t.clock.set(Math.ceil(t.clock.now() / 1000) * 1000)); // on a whole second, standing still
afterAll(() => t.stop());

const signIn = (of?: SignedInUser, password?: string) => openSession(t, of, password);
const refresh = (refresh_token: unknown) => refreshSession(t, refresh_token);
const status = (token: string) => statusWith(t, token);

describe('concurrent requests', () => {
  it('with one refresh token, 30 of them, return the same next tokens', async () => {
    const first = await signIn();
    const answers = await Promise.all(Array.from({ length: 30 }, () => refresh(first.refresh)));
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(new Set(answers.map(({ body }) => body['refresh_token'])).size).toBe(1);
    expect((await refresh(answers[0]!.body['refresh_token'])).status).toBe(200);
  });

  const OTHER = 'silent meadow ninety';
  const ROUNDS = 80;
  type Session = Awaited<ReturnType<typeof signIn>>;
  const revocations: Record<string, (session: Session, from: string, to: string) => Promise<unknown>> = {
    'signing out': ({ identity }) => t.request('DELETE', '/api/sessions/current', { token: identity }),
    'a password change': ({ identity }, current_password, new_password) =>
      t.request('PUT', '/api/users/me/password', { token: identity, body: { current_password, new_password } }),
  };

  it.each(Object.keys(revocations))(`a refresh and %s at once leave no valid token, ${ROUNDS} times`, async (name) => {
    const user = await t.user();
    const changes = name === 'a password change';
    for (let round = 0; round < ROUNDS; round++) {
      const [from, to] = round % 2 && changes ? [OTHER, PASSWORD] : [PASSWORD, OTHER];
      const first = await signIn(user, from);
      const [answer] = await Promise.all([refresh(first.refresh), revocations[name]!(first, from, to)]);
      const tokens = [first.identity, answer.body['identity_token']].filter((token) => token !== undefined);
      for (const token of tokens) expect([round, await status(token)]).toEqual([round, 401]);
      const again = answer.body['refresh_token'] ?? first.refresh;
      expect([round, (await refresh(again)).status]).toEqual([round, 401]);
    }
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { claimsOf, Client, expectProblem, type Session } from './client.js';

let client: Client;
beforeEach(() => {
  client = new Client();
});

const me = (token: string) => client.get('/api/users/me', token);
const refresh = (refresh_token: string) => client.post('/api/sessions/refresh', { refresh_token });

/** Real time passes here: until a token's own end, and not much longer. */
const untilEndOf = (token: string): Promise<void> => sleep(claimsOf(token).exp * 1000 - Date.now() + 500);

describe('refreshing', () => {
  it('gives the next pair of tokens, of the same session', async () => {
    const first = await client.user();
    const { status, body } = await refresh(first.refresh_token);
    const second = body as Session;
    expect([status, claimsOf(second.identity_token)['sid']]).toEqual([200, claimsOf(first.identity_token)['sid']]);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(claimsOf(second.refresh_token)['id_token']).toBe(claimsOf(second.identity_token)['jti']);
    expect((await me(second.identity_token)).status).toBe(200);
  });

  it('gives a lost answer again', async () => {
    const { refresh_token } = await client.user();
    const answers = await Promise.all([refresh(refresh_token), refresh(refresh_token)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers[0].body['refresh_token']).toBe(answers[1].body['refresh_token']);
  });

  it('with a stolen, older token ends the session for the thief and the owner, and tells it', async () => {
    const first = await client.user();
    const second = (await refresh(first.refresh_token)).body as Session;
    const third = (await refresh(second.refresh_token)).body as Session;
    const stolen = await refresh(first.refresh_token);
    expectProblem(stolen, 401, 'token_reused');
    expect(stolen.body['msg']).toBe('Token has been revoked');
    expect((await me(third.identity_token)).status).toBe(401);
    expect((await refresh(third.refresh_token)).status).toBe(401);
  });

  it('takes no identity token', async () => {
    const { identity_token } = await client.user();
    expectProblem(await refresh(identity_token), 401, 'invalid_token');
  });
});

describe.concurrent('the end of a token', () => {
  it('of identity: 401 with the words that old clients wait for; the refresh token gets the next one', async () => {
    const { identity_token, refresh_token } = await client.user();
    expect((await me(identity_token)).status).toBe(200);
    await untilEndOf(identity_token);
    const late = await me(identity_token);
    expectProblem(late, 401, 'token_expired');
    expect(late.body['msg']).toBe('Token has expired');
    expect(late.headers.get('www-authenticate')).toContain('invalid_token');
    const next = await refresh(refresh_token);
    expect((await me(next.body['identity_token'])).status).toBe(200);
  });

  it('of refreshing: the same, and nothing but signing in helps', async () => {
    const { refresh_token } = await client.user();
    await untilEndOf(refresh_token);
    const late = await refresh(refresh_token);
    expectProblem(late, 401, 'token_expired');
    expect(late.body['msg']).toBe('Token has expired');
  });

  it('still lets its device sign out', async () => {
    const { identity_token, refresh_token } = await client.user();
    await untilEndOf(identity_token);
    expect((await client.request('DELETE', '/api/sessions/current', { token: identity_token })).status).toBe(204);
    expect((await refresh(refresh_token)).status).toBe(401);
  });
});

describe('signing out', () => {
  it('on this device leaves the others signed in', async () => {
    const here = await client.user();
    const there = (await client.signIn(here.user.username)).body as Session;
    const out = await client.request('DELETE', '/api/sessions/current', { token: here.identity_token });
    expect(out.status).toBe(204);
    expect((await me(here.identity_token)).status).toBe(401);
    expect((await refresh(here.refresh_token)).status).toBe(401);
    expect((await me(there.identity_token)).status).toBe(200);
  });

  it('everywhere leaves none', async () => {
    const here = await client.user();
    const there = (await client.signIn(here.user.username)).body as Session;
    expect((await client.request('DELETE', '/api/sessions', { token: here.identity_token })).status).toBe(204);
    for (const { identity_token } of [here, there]) expect((await me(identity_token)).status).toBe(401);
  });

  it('of another device works from the list', async () => {
    const here = await client.user();
    const there = (await client.signIn(here.user.username)).body as Session;
    const list = (await client.get('/api/sessions', here.identity_token)).body as unknown as {
      id: string;
      ip: string;
      is_current: boolean;
    }[];
    expect(list.map(({ ip, is_current }) => [ip, is_current])).toEqual(
      expect.arrayContaining([
        [client.ip, true],
        [client.ip, false],
      ]),
    );
    const other = list.find(({ is_current }) => !is_current)!;
    const out = await client.request('DELETE', `/api/sessions/${other.id}`, { token: here.identity_token });
    expect(out.status).toBe(204);
    expect((await me(there.identity_token)).status).toBe(401);
    expect((await me(here.identity_token)).status).toBe(200);
  });
});

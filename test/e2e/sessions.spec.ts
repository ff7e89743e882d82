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
  it('returns the next pair of tokens of the same session', async () => {
    const first = await client.user();
    const { status, body } = await refresh(first.refresh_token);
    const second = body as Session;
    expect([status, claimsOf(second.identity_token)['sid']]).toEqual([200, claimsOf(first.identity_token)['sid']]);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(claimsOf(second.refresh_token)['id_token']).toBe(claimsOf(second.identity_token)['jti']);
    expect((await me(second.identity_token)).status).toBe(200);
  });

  it('returns the same tokens again when the response was lost', async () => {
    const { refresh_token } = await client.user();
    const answers = await Promise.all([refresh(refresh_token), refresh(refresh_token)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers[0].body['refresh_token']).toBe(answers[1].body['refresh_token']);
  });

  it('with a reused refresh token ends the session and answers token_reused', async () => {
    const first = await client.user();
    const second = (await refresh(first.refresh_token)).body as Session;
    const third = (await refresh(second.refresh_token)).body as Session;
    const stolen = await refresh(first.refresh_token);
    expectProblem(stolen, 401, 'token_reused');
    expect(stolen.body['msg']).toBe('Token has expired');
    expect((await me(third.identity_token)).status).toBe(401);
    expect((await refresh(third.refresh_token)).status).toBe(401);
  });

  it('refuses an identity token', async () => {
    const { identity_token } = await client.user();
    expectProblem(await refresh(identity_token), 401, 'invalid_token');
  });
});

describe.concurrent('after its expiry', () => {
  it('the identity token answers 401 with the msg of old clients; the refresh token still works', async () => {
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

  it('the refresh token answers 401 with the same msg, and only a new sign-in helps', async () => {
    const { refresh_token } = await client.user();
    await untilEndOf(refresh_token);
    const late = await refresh(refresh_token);
    expectProblem(late, 401, 'token_expired');
    expect(late.body['msg']).toBe('Token has expired');
  });

  it('a token still signs its device out', async () => {
    const { identity_token, refresh_token } = await client.user();
    await untilEndOf(identity_token);
    expect((await client.request('DELETE', '/api/sessions/current', { token: identity_token })).status).toBe(204);
    expect((await refresh(refresh_token)).status).toBe(401);
  });
});

describe('signing out', () => {
  it('on one device keeps the other sessions', async () => {
    const here = await client.user();
    const there = (await client.signIn(here.user.username)).body as Session;
    const out = await client.request('DELETE', '/api/sessions/current', { token: here.identity_token });
    expect(out.status).toBe(204);
    expect((await me(here.identity_token)).status).toBe(401);
    expect((await refresh(here.refresh_token)).status).toBe(401);
    expect((await me(there.identity_token)).status).toBe(200);
  });

  it('everywhere ends all sessions', async () => {
    const here = await client.user();
    const there = (await client.signIn(here.user.username)).body as Session;
    expect((await client.request('DELETE', '/api/sessions', { token: here.identity_token })).status).toBe(204);
    for (const { identity_token } of [here, there]) expect((await me(identity_token)).status).toBe(401);
  });

  it('of another device works with the id from the list', async () => {
    const here = await client.user();
    const there = (await client.signIn(here.user.username)).body as Session;
    const list = (await client.get('/api/sessions', here.identity_token)).body.items;
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

import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { type ChatClient, connect, dial, V2 } from '../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m' } });
});
afterAll(() => t.stop());

const signIn = async (login: string, password: string) => {
  const { body } = await t.request('POST', '/api/sessions', { body: { login, password } });
  return body as { identity_token: string; refresh_token: string };
};
const open = async (headers: Record<string, string> = {}): Promise<ChatClient> => {
  const client = dial(t, {}, { ...V2, headers });
  await once(client.socket, 'open');
  return client;
};

describe('a client of machi.v2 without a token', () => {
  it('is admitted by an auth frame, which hello answers with user, expiry, time and limits', async () => {
    const user = await t.user();
    const client = await open();
    const hello = await client.ask('auth', { identity_token: user.token, request_id: 'a' });
    const now = t.clock.seconds();
    expect(hello).toEqual({
      success: true,
      type: 'hello',
      request_id: 'a',
      data: {
        user: { id: user.id, username: user.username, fullname: expect.any(String) },
        expires_at: expect.closeTo(now + 900, -1),
        server_time: expect.closeTo(now, -1),
        limits: {
          frame_bytes: 1024 * 1024,
          frame_burst: 500,
          frames_per_second: 100,
          message_burst: 300,
          messages_per_second: 20,
        },
      },
    });
    expect((await client.get('self'))['username']).toBe(user.username);
    await client.close();
  });

  it('gets the answers to frames that it sent right after auth', async () => {
    const user = await t.user();
    const client = await open();
    client.send({ type: 'auth', identity_token: user.token });
    client.send({ type: 'self' });
    expect([(await client.next())['type'], (await client.next())['type']]).toEqual(['hello', 'self']);
    await client.close();
  });

  it('is closed with 4401 "login-token required" by another first frame, and after ten seconds', async () => {
    const [eager, long, silent] = [await open(), await open(), await open()];
    eager.send({ type: 'ping' });
    expect(await eager.end()).toEqual([4401, 'login-token required']);
    long.send({ type: 'auth', identity_token: 'x'.repeat(100_000) });
    expect(await long.end()).toEqual([4401, 'login-token required']);
    t.clock.advance(9_000);
    silent.socket.ping();
    await once(silent.socket, 'pong');
    expect(silent.closed).toBeUndefined();
    t.clock.advance(1_000);
    expect(await silent.end()).toEqual([4401, 'login-token required']);
  });

  it('is closed with 4401 and the reason if the token is invalid or expired', async () => {
    const user = await t.user();
    const forged = await open();
    forged.send({ type: 'auth', identity_token: `${user.token}x` });
    expect(await forged.end()).toEqual([4401, 'invalid login-token']);
    await t.request('DELETE', '/api/sessions/current', { token: user.token, body: {} });
    const signedOut = await open();
    signedOut.send({ type: 'auth', identity_token: user.token });
    expect(await signedOut.end()).toEqual([4401, 'invalid login-token']);
    t.clock.advance(15 * 60_000);
    const expired = await open();
    expired.send({ type: 'auth', identity_token: user.token });
    expect(await expired.end()).toEqual([4401, 'login-token expired']);
  });

  it.each([
    ['no token', {}],
    ['a number', { identity_token: 1 }],
    ['a token of 20,000 characters', { identity_token: 'x'.repeat(20_000) }],
  ])('may correct an auth frame with %s', async (_, fields) => {
    const user = await t.user();
    const client = await open();
    expect(await client.ask('auth', fields)).toMatchObject({ success: false, type: 'auth' });
    expect(await client.ask('auth', { identity_token: user.token })).toMatchObject({ type: 'hello' });
    await client.close();
  });

  it('may authenticate although its cookie is of a session that has ended', async () => {
    const [gone, user] = [await t.user(), await t.user()];
    await t.request('DELETE', '/api/sessions/current', { token: gone.token, body: {} });
    const client = await open({ cookie: `login-token=${gone.token}` });
    expect(await client.ask('auth', { identity_token: user.token })).toMatchObject({ type: 'hello' });
    await client.close();
    const header = dial(t, gone, V2);
    expect(await header.end()).toEqual([4401, 'invalid login-token']);
  });

  it('is closed when the session of its auth frame ends', async () => {
    const user = await t.user();
    const client = await open();
    await client.ask('auth', { identity_token: user.token });
    await t.request('DELETE', '/api/sessions/current', { token: user.token, body: {} });
    expect(await client.end()).toEqual([4401, 'signed out']);
  });
});

describe('an authenticated client of machi.v2', () => {
  it('is told 30 seconds before its expiry, and stays connected with a fresh token of its session', async () => {
    const user = await t.user();
    const session = await signIn(user.username, user.password);
    const client = await connect(t, { ...user, token: session.identity_token }, V2);
    t.clock.advance(15 * 60_000 - 31_000);
    await client.expectNoFrame();
    t.clock.advance(1_000);
    const expiring = await client.next();
    expect(expiring).toMatchObject({ success: true, type: 'expiring' });
    const { body } = await t.request('POST', '/api/sessions/refresh', {
      body: { refresh_token: session.refresh_token },
    });
    const renewed = await client.get('auth', { identity_token: body['identity_token'] });
    expect(renewed['expires_at']).toBeGreaterThan(expiring['data'].expires_at as number);
    t.clock.advance(60_000);
    await client.expectNoFrame();
    t.clock.advance(15 * 60_000);
    expect(await client.end()).toEqual([4401, 'login-token expired']);
  });

  it('is refused a token of another session, and stays connected', async () => {
    const user = await t.user();
    const client = await connect(t, user, V2);
    const others = [(await t.user()).token, (await signIn(user.username, user.password)).identity_token, 'x'];
    for (const identity_token of others) {
      expect(await client.ask('auth', { identity_token })).toMatchObject({ success: false, type: 'auth' });
    }
    expect((await client.get('self'))['username']).toBe(user.username);
    await client.close();
  });
});

it('a client without the subprotocol is closed at once without a token, and does not know auth', async () => {
  const stranger = dial(t, {});
  expect(await stranger.end()).toEqual([4401, 'login-token required']);
  const user = await t.user();
  const client = await connect(t, user);
  const answer = await client.ask('auth', { identity_token: user.token });
  expect(answer).toMatchObject({ success: false, type: 'root' });
  await client.close();
});

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import {
  type ChatClient,
  connect,
  createConversation,
  dial,
  connectUsers,
  V2,
} from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '15m' } });
});
afterAll(() => t.stop());

const status = (username: string, is_online: boolean) => ({
  success: true,
  type: 'user_status',
  data: { username, is_online },
});

/** Two users who are contacts, the first one connected. */
async function pair(): Promise<[ChatClient, SignedInUser]> {
  const [one] = await connectUsers(t, 1);
  const other = await t.user();
  await one!.get('add_contact', { contact_username: other.username });
  return [one!, other];
}

const contactOf = async (username: string) => {
  const [observer] = await connectUsers(t, 1);
  const { contact } = await observer!.get('add_contact', { contact_username: username });
  await observer!.close();
  return contact as { is_online: boolean; last_online: number };
};

describe('user_status', () => {
  it('is sent to connected contacts on the first connection of a user and after the last', async () => {
    const [one, other] = await pair();
    const [stranger] = await connectUsers(t, 1);
    const phone = await connect(t, other);
    expect(await one.next()).toEqual(status(other.username, true));
    const tablet = await connect(t, other);
    await phone.close();
    await one.expectNoFrame();
    await tablet.close();
    expect(await one.next()).toEqual(status(other.username, false));
    await stranger!.expectNoFrame();
    expect((await contactOf(other.username)).is_online).toBe(false);
  });

  it('is sent for a broken connection only after the grace period of 5 seconds', async () => {
    const [one, other] = await pair();
    const phone = await connect(t, other);
    expect(await one.next()).toEqual(status(other.username, true));
    t.clock.set(Date.now());
    phone.socket.terminate();
    await phone.end();
    const again = await connect(t, other);
    t.clock.advance(10_000);
    await one.expectNoFrame();
    again.socket.terminate();
    await again.end();
    expect((await contactOf(other.username)).is_online).toBe(true);
    t.clock.advance(10_000);
    expect(await one.next()).toEqual(status(other.username, false));
    expect(await contactOf(other.username)).toEqual(
      expect.objectContaining({ is_online: false, last_online: t.clock.seconds() }),
    );
    t.clock.set(Date.now());
  });

  it('is sent once when several devices connect at the same time', async () => {
    const [one, other] = await pair();
    const devices = await Promise.all(Array.from({ length: 8 }, () => connect(t, other)));
    expect(await one.next()).toEqual(status(other.username, true));
    await Promise.all(devices.map((device) => device.close()));
    expect(await one.next()).toEqual(status(other.username, false));
    await one.expectNoFrame();
  });
});

describe('revoking a session', () => {
  const asAdmin = async (method: string, path: string, body?: object) =>
    t.request(method, path, { token: await t.asAdmin(), body });

  it.each<[string, (user: SignedInUser) => Promise<unknown>]>([
    ['by signing out', ({ token }) => t.request('DELETE', '/api/sessions/current', { token })],
    [
      'by a password change',
      ({ token }) =>
        t.request('PUT', '/api/users/me/password', {
          token,
          body: { current_password: PASSWORD, new_password: 'a word without pattern' },
        }),
    ],
    ['by deactivating the user', ({ id }) => asAdmin('PATCH', `/api/users/${id}`, { is_active: false })],
    ['by deleting the user', ({ id }) => asAdmin('DELETE', `/api/users/${id}`)],
  ])('%s closes its connections with 4401 within a second, and nothing is delivered afterwards', async (_, end) => {
    const [one] = await connectUsers(t, 1);
    const user = await t.user();
    const [phone, tablet] = [await connect(t, user), await connect(t, user)];
    const members = [user.username];
    one!.send({ type: 'create_conversation', members });
    const { id } = (await Promise.all([one!, phone, tablet].map((client) => client.next())))[0]!['data'];
    await end(user);
    const ended = Date.now();
    expect(await phone.end()).toEqual([4401, 'signed out']);
    expect(await tablet.end()).toEqual([4401, 'signed out']);
    expect(Date.now() - ended).toBeLessThan(1000);
    const frames = phone.frames.length;
    await one!.get('send_message', { conversation_id: id, content: 'are you there?' });
    expect(phone.frames).toHaveLength(frames);
    expect(await dial(t, user).end()).toEqual([4401, 'invalid login-token']);
  });

  it('leaves the connections of other sessions open', async () => {
    const user = await t.user();
    const phone = await connect(t, user);
    const tablet = await connect(t, { token: await t.signIn(user.username, PASSWORD) });
    await t.request('DELETE', '/api/sessions/current', { token: user.token });
    expect(await phone.end()).toEqual([4401, 'signed out']);
    await tablet.expectNoFrame();
  });

  it('closes a connection that is being authenticated', async () => {
    for (let i = 0; i < 20; i++) {
      const user = await t.user();
      const client = dial(t, user);
      await Promise.all([
        once(client.socket, 'open'),
        t.dataSource.query('delete from sessions where user_id = $1', [user.id]),
      ]);
      expect((await client.end())[0]).toBe(4401);
    }
  });
});

it.each([
  [
    'deactivated',
    (id: string, token: string) => t.request('PATCH', `/api/users/${id}`, { token, body: { is_active: false } }),
  ],
  ['deleted', (id: string, token: string) => t.request('DELETE', `/api/users/${id}`, { token, body: {} })],
])('a user who is %s while connected goes offline for contacts, once', async (_, end) => {
  const [one, other] = await pair();
  const client = await connect(t, other);
  expect(await one.next()).toEqual(status(other.username, true));
  await end(other.id, await t.asAdmin());
  expect(await client.end()).toEqual([4401, 'signed out']);
  expect(await one.next()).toEqual(status(other.username, false));
  await one.expectNoFrame();
});

it('an expired token closes its connections with 4401 within a second', async () => {
  t.clock.set(Date.now());
  const user = await t.user();
  const client = await connect(t, user);
  const { exp } = JSON.parse(Buffer.from(user.token.split('.')[1]!, 'base64url').toString()) as { exp: number };
  t.clock.set(exp * 1000 - 1);
  await once(client.socket, 'ping'); // the timer that looks for expired tokens also sends pings
  await client.expectNoFrame();
  t.clock.set(exp * 1000);
  const due = Date.now();
  expect(await client.end()).toEqual([4401, 'login-token expired']);
  expect(Date.now() - due).toBeLessThan(1000);
  expect(await dial(t, user, V2).end()).toEqual([4401, 'login-token expired']);
  t.clock.set(Date.now());
});

it('a token without expiry closes no connection', async () => {
  const endless = await startApp({
    env: { NODE_ENV: 'development', IDENTITY_TOKEN_TTL: 'never', LOG_LEVEL: 'silent' },
  });
  const client = await connect(endless, await endless.user());
  endless.clock.set(Date.UTC(2100, 0));
  await once(client.socket, 'ping'); // the timer that looks for expired tokens also sends pings
  await client.expectNoFrame();
  await endless.stop();
});

/** Two pings later, the one that is paused is closed and the other one is open. */
async function expectDeadIsClosed(alive: ChatClient, dead: ChatClient): Promise<void> {
  for (let i = 0; i < 2; i++) {
    t.clock.advance(26_000);
    await once(alive.socket, 'ping');
  }
  dead.socket.resume();
  expect(await dead.end()).toEqual([4408, 'no answer to a ping']);
  await alive.expectNoFrame();
  t.clock.set(Date.now());
}

it('a connection that does not answer pings is closed with 4408 within a minute, one that does stays open', async () => {
  t.clock.set(Date.now());
  const user = await t.user();
  const [alive, dead] = [await connect(t, user), await connect(t, user)];
  dead.socket.pause();
  await expectDeadIsClosed(alive, dead);
});

it('connections get pings and are watched also after the clock was set back', async () => {
  t.clock.set(Date.now() + 3_600_000);
  const user = await t.user();
  const [alive, dead] = [await connect(t, user), await connect(t, user)];
  dead.socket.pause();
  t.clock.set(Date.now());
  await sleep(1_200); // the server looks at its connections
  await expectDeadIsClosed(alive, dead);
});

describe('a deleted or renamed user', () => {
  it('is shown as [deleted] in messages and conversations, and removed from contacts, when deleted', async () => {
    const [one] = await connectUsers(t, 1);
    const deleted = await t.user();
    const client = await connect(t, deleted);
    await one!.get('add_contact', { contact_username: deleted.username });
    const id = await createConversation(one!, client);
    await client.get('send_message', { conversation_id: id, content: 'remember me' });
    await one!.next();
    await t.request('DELETE', `/api/users/${deleted.id}`, { token: await t.asAdmin() });
    expect(await client.end()).toEqual([4401, 'signed out']);
    expect(await one!.next()).toEqual(status(deleted.username, false));
    const { messages } = await one!.get('get_messages', { conversation_id: id });
    expect(messages).toEqual([expect.objectContaining({ sender_username: '[deleted]', content: 'remember me' })]);
    expect(await one!.get('get_conversation_info', { id })).toMatchObject({ members: [one!.username, '[deleted]'] });
    expect(await one!.get('get_contacts')).toMatchObject({ contacts: [] });
    expect(await one!.get('send_message', { conversation_id: id, content: 'goodbye' })).toMatchObject({
      content: 'goodbye',
    });
  });

  it('sends the next message under the new name when renamed', async () => {
    const user = await t.user();
    const client = await connect(t, user);
    const id = await createConversation(client);
    await t.request('PATCH', '/api/users/me', { token: user.token, body: { username: `${user.username}-new` } });
    const sent = await client.get('send_message', { conversation_id: id, content: 'x' });
    expect(sent['sender_username']).toBe(`${user.username}-new`);
  });
});

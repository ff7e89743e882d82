import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PushWorker } from '../../../src/chat/push/push.worker.js';
import type { SignedInUser } from '../../support/app.js';
import { startApp, type TestApp } from '../../support/app.js';
import { attach } from '../../support/clients/attachments.js';
import { type ChatClient, connect, connectUsers, type Frame, V2 } from '../../support/clients/chat-client.js';
import { metricsOf } from '../../support/metrics.js';
import {
  type BrowserSubscription,
  decryptPush,
  startPushService,
  verifyVapid,
} from '../../support/servers/push-service.js';

const METRICS_TOKEN = 'metrics-token-of-the-push-tests-0001';
const MINUTE_MS = 60_000;

let t: TestApp;
let service: Awaited<ReturnType<typeof startPushService>>;
beforeAll(async () => {
  [t, service] = await Promise.all([startApp({ env: { METRICS_TOKEN } }), startPushService()]);
});
afterAll(async () => {
  await t.stop();
  await service.stop();
});
afterEach(() => t.clock.run());

const { valueOf } = metricsOf(() => t, METRICS_TOKEN);

async function subscribe({ token }: Pick<SignedInUser, 'token'>): Promise<BrowserSubscription> {
  const subscription = service.subscribe();
  const { endpoint, keys } = subscription;
  const { status } = await t.request('POST', '/api/push/subscriptions', { token, body: { endpoint, keys } });
  expect(status).toBe(200);
  return subscription;
}

/** A registered user who is not connected and has turned pushes on. */
async function offlineUser() {
  const user = await t.user();
  return { ...user, subscription: await subscribe(user) };
}

const create = async (client: ChatClient, ...members: { username: string }[]): Promise<number> => {
  const usernames = members.map(({ username }) => username);
  return (await client.get('create_conversation', { members: usernames, name: 'Harbour' }))['id'] as number;
};

const say = async (client: ChatClient, conversation_id: number, content: string): Promise<number> => {
  const frame = await client.askPastPushes('send_message', { conversation_id, content, nonce: randomUUID() });
  expect(frame).toMatchObject({ success: true });
  return (frame['data'] as Frame)['id'] as number;
};

/** Sends or drops each push that is due. */
async function settle(): Promise<void> {
  await t.app.get(PushWorker).run();
  await t.app.get(PushWorker).idle();
}

const pushesTo = ({ endpoint }: BrowserSubscription) =>
  service.received.filter(({ path }) => endpoint.endsWith(path)).length;

const textsTo = (subscription: BrowserSubscription) =>
  service.received
    .filter(({ path }) => subscription.endpoint.endsWith(path))
    .map((push) => decryptPush(push, subscription)['text']);

const countDeliveries = async (): Promise<number> =>
  (await t.dataSource.query<{ count: number }[]>('select count(*)::int as count from push_deliveries'))[0]!.count;

async function waitForPresence(username: string, isOnline: boolean): Promise<void> {
  const sql = `select 1 from presences s join participants p on p.id = s.participant_id
    join users u on u.id = p.user_id where u.username = $1`;
  while ((await t.dataSource.query<unknown[]>(sql, [username])).length > 0 !== isOnline) await sleep(10);
}

describe('a message in a conversation of two', () => {
  it('is pushed once to each browser of an offline user, encrypted, signed, and of a length that tells nothing', async () => {
    const [sender] = await connectUsers(t, 1);
    const user = await offlineUser();
    const second = await subscribe(user);
    const conversation_id = await create(sender!, user);
    const message_id = await say(sender!, conversation_id, `${'町'.repeat(119)}😀 and more that is cut`);
    await settle();
    expect([pushesTo(user.subscription), pushesTo(second)]).toEqual([1, 1]);
    const push = service.received.find(({ path }) => user.subscription.endpoint.endsWith(path))!;
    expect(decryptPush(push, user.subscription)).toEqual({
      type: 'message',
      conversation_id,
      conversation_name: 'Harbour',
      message_id,
      sender_username: sender!.username,
      text: `${'町'.repeat(119)}😀`,
    });
    expect(push.body.toString('latin1')).not.toContain(sender!.username);
    expect(push.headers).toMatchObject({
      'content-encoding': 'aes128gcm',
      ttl: expect.stringMatching(/^86(400|399)$/),
      topic: expect.stringMatching(/^[\w-]{32}$/),
      urgency: 'normal',
    });
    const { public_key } = (await t.request('GET', '/api/push/key')).body as { public_key: string };
    const claims = await verifyVapid(push, public_key, t.clock.now());
    expect(claims).toMatchObject({ aud: service.url, sub: 'mailto:machi@localhost' });
    expect(claims.exp! - t.clock.now() / 1000).toBeLessThan(24 * 3600);
    await say(sender!, conversation_id, 'short');
    await settle();
    const lengths = service.received
      .filter(({ path }) => user.subscription.endpoint.endsWith(path))
      .map(({ body }) => body.length);
    expect(lengths).toEqual([lengths[0], lengths[0]]);
  });

  it('is pushed with its text, or a placeholder, if it has attachments', async () => {
    const [sender] = await connectUsers(t, 1, V2);
    const user = await offlineUser();
    const conversation_id = await create(sender!, user);
    const token = await t.signIn(sender!.username, 'cloudy harbour seven');
    for (const content of ['look', '']) {
      const attachments = [(await attach(t, { token })).id];
      const sent = await sender!.get('send_message', { conversation_id, content, attachments });
      expect(sent['attachments']).toHaveLength(1);
      await settle();
    }
    expect(textsTo(user.subscription)).toEqual(['look', '[attachment]']);
  });

  it('has one topic per conversation and browser, so that a later push replaces an earlier one', async () => {
    const [sender] = await connectUsers(t, 1);
    const user = await offlineUser();
    const ids = [await create(sender!, user), await create(sender!, user)];
    for (const [i, id] of [ids[0]!, ids[0]!, ids[1]!].entries()) {
      await say(sender!, id, `message ${i}`);
      await settle();
    }
    const topics = service.received
      .filter(({ path }) => user.subscription.endpoint.endsWith(path))
      .map(({ headers }) => headers['topic']);
    expect(topics).toHaveLength(3);
    expect(topics[1]).toBe(topics[0]);
    expect(topics[2]).not.toBe(topics[0]);
  });

  it('is not pushed to a user who is connected, nor to the sender, and is once the user has left', async () => {
    const [sender, client] = await connectUsers(t, 2);
    const subscriptions = [];
    for (const { username } of [sender!, client!]) {
      subscriptions.push(await subscribe({ token: await t.signIn(username, 'cloudy harbour seven') }));
    }
    const id = await create(sender!, client!);
    await say(sender!, id, 'while connected');
    await settle();
    expect(subscriptions.map(pushesTo)).toEqual([0, 0]);
    await client!.close();
    await waitForPresence(client!.username, false);
    await say(sender!, id, 'while away');
    await settle();
    expect(subscriptions.map(textsTo)).toEqual([[], ['while away']]);
  });

  it('is not pushed from a user whom the recipient has blocked', async () => {
    const [sender, blocked] = await connectUsers(t, 2);
    const user = await offlineUser();
    const id = await create(sender!, user, blocked!);
    await t.request('PUT', `/api/chat/blocks/${blocked!.username}`, { token: user.token });
    await say(blocked!, id, `@${user.username} from the blocked user`);
    await sender!.next(); // the message of the blocked user
    await say(sender!, id, `@${user.username} from the other`);
    await settle();
    expect(textsTo(user.subscription)).toEqual([`@${user.username} from the other`]);
  });

  it('reaches a member who joined the conversation after its last message', async () => {
    const [sender] = await connectUsers(t, 1, { protocols: ['machi.v2'] });
    const user = await offlineUser();
    const id = await create(sender!);
    await say(sender!, id, 'alone');
    await sender!.askPastPushes('add_members', { conversation_id: id, members: [user.username] });
    await say(sender!, id, 'welcome');
    await settle();
    expect(textsTo(user.subscription)).toEqual(['welcome']);
  });
});

describe('a message in a larger conversation', () => {
  it('is pushed to offline members whom it mentions, in any case, and to nobody else', async () => {
    const [sender] = await connectUsers(t, 1);
    const [ann, ben, outsider] = [await offlineUser(), await offlineUser(), await offlineUser()];
    const id = await create(sender!, ann, ben);
    await say(sender!, id, 'hello everybody');
    await say(sender!, id, `${ann.username}@example.org, @${ann.username}x and @${outsider.username}`);
    await settle();
    expect([ann, ben, outsider].map(({ subscription }) => pushesTo(subscription))).toEqual([0, 0, 0]);
    await say(sender!, id, `hello @${ann.username.toUpperCase()}.`);
    await settle();
    expect([ann, ben, outsider].map(({ subscription }) => pushesTo(subscription))).toEqual([1, 0, 0]);
  });
});

describe('a push that waits', () => {
  it('is sent again after a 503 once the back-off has passed, with the newest message only', async () => {
    const [sender] = await connectUsers(t, 1);
    const user = await offlineUser();
    const id = await create(sender!, user);
    t.clock.set(Date.now());
    service.answer(503);
    await say(sender!, id, 'first');
    await settle();
    expect(textsTo(user.subscription)).toEqual(['first']);
    expect(await valueOf('machi_push_outbox_messages')).toBe(1);
    await say(sender!, id, 'second');
    t.clock.advance(29_000);
    await settle();
    expect(textsTo(user.subscription)).toEqual(['first']);
    expect(await valueOf('machi_push_outbox_oldest_seconds')).toBe(29);
    t.clock.advance(2_000);
    await settle();
    expect(await countDeliveries()).toBe(0);
    expect(textsTo(user.subscription)).toEqual(['first', 'second']);
    expect(await valueOf('machi_push_attempts_total{result="retried"}')).toBe(1);
  });

  it.each([
    ['seconds', () => '600'],
    ['a date', () => new Date(t.clock.now() + 600_000).toUTCString()],
  ])('waits as long as Retry-After says in %s', async (_, value) => {
    const [sender] = await connectUsers(t, 1);
    const user = await offlineUser();
    const id = await create(sender!, user);
    const otherId = await create(sender!, user);
    t.clock.set(Math.floor(Date.now() / 1000) * 1000);
    service.answer(429, { 'retry-after': value() });
    await say(sender!, id, 'x');
    await settle();
    await say(sender!, otherId, 'in another conversation');
    t.clock.advance(9 * MINUTE_MS);
    await settle();
    expect(pushesTo(user.subscription)).toBe(1);
    t.clock.advance(2 * MINUTE_MS);
    await settle();
    expect(await countDeliveries()).toBe(0);
    expect(pushesTo(user.subscription)).toBe(3);
    expect(textsTo(user.subscription)).toContain('in another conversation');
    await say(sender!, otherId, 'later');
    await settle();
    expect(textsTo(user.subscription)).toContain('later');
  });

  it.each([
    [
      'the user has read the message',
      async (user: SignedInUser, conversation: number, message: number) => {
        const body = { message_id: message };
        await t.request('PUT', `/api/chat/conversations/${conversation}/read`, { token: user.token, body });
      },
    ],
    [
      'the user is connected',
      async (user: SignedInUser) => {
        await connect(t, user);
        await waitForPresence(user.username, true);
      },
    ],
    [
      'the user has blocked the sender',
      async (user: SignedInUser, _: number, __: number, sender: ChatClient) => {
        await t.request('PUT', `/api/chat/blocks/${sender.username}`, { token: user.token });
      },
    ],
    [
      'the message was deleted',
      async (_: SignedInUser, conversation: number, message: number, sender: ChatClient) => {
        const token = await t.signIn(sender.username, 'cloudy harbour seven');
        await t.request('DELETE', `/api/chat/conversations/${conversation}/messages/${message}`, { token });
      },
    ],
    [
      'the user has signed out',
      async (user: SignedInUser) => {
        await t.request('DELETE', '/api/sessions/current', { token: user.token });
      },
    ],
    [
      'the user has turned pushes off',
      async (user: SignedInUser) => {
        const { items } = (await t.request('GET', '/api/push/subscriptions', { token: user.token })).body;
        await t.request('DELETE', `/api/push/subscriptions/${items[0]!.id}`, { token: user.token });
      },
    ],
  ])('is dropped when %s', async (_, change) => {
    const [sender] = await connectUsers(t, 1);
    const user = await offlineUser();
    const id = await create(sender!, user);
    t.clock.set(Date.now());
    service.answer(503);
    const message = await say(sender!, id, 'x');
    await settle();
    await change(user, id, message, sender!);
    t.clock.advance(MINUTE_MS);
    await settle();
    expect(await countDeliveries()).toBe(0);
    expect(pushesTo(user.subscription)).toBe(1);
  });

  it('is dropped after a day, and with the expiry of its session', async () => {
    const [sender] = await connectUsers(t, 1);
    const [user, expired] = [await offlineUser(), await offlineUser()];
    t.clock.set(Date.now());
    service.answer(503, undefined, 2);
    for (const each of [user, expired]) await say(sender!, await create(sender!, each), 'x');
    await settle();
    await t.dataSource.query('update sessions set expires_at = $2 where user_id = $1', [expired.id, t.clock.date()]);
    t.clock.advance(2 * MINUTE_MS);
    service.answer(503);
    await settle();
    expect([await countDeliveries(), pushesTo(user.subscription)]).toEqual([1, 2]);
    t.clock.advance(24 * 60 * MINUTE_MS);
    await settle();
    expect(await countDeliveries()).toBe(0);
    expect([user, expired].map(({ subscription }) => pushesTo(subscription))).toEqual([2, 1]);
    const left = await t.dataSource.query<unknown[]>('select 1 from push_subscriptions where user_id = $1', [
      expired.id,
    ]);
    expect(left).toEqual([]);
  });
});

describe('the answer of the push service', () => {
  it.each([404, 410])('%i removes the subscription', async (status) => {
    const [sender] = await connectUsers(t, 1);
    const user = await offlineUser();
    const id = await create(sender!, user);
    service.answer(status);
    await say(sender!, id, 'x');
    await settle();
    expect(await countDeliveries()).toBe(0);
    const { body } = await t.request('GET', '/api/push/subscriptions', { token: user.token });
    expect([pushesTo(user.subscription), body['items']]).toEqual([1, []]);
  });

  it.each([400, 403, 413, 301])('%i drops the push and keeps the subscription', async (status) => {
    const [sender] = await connectUsers(t, 1);
    const user = await offlineUser();
    const id = await create(sender!, user);
    service.answer(status, { location: `${service.url}/elsewhere` });
    await say(sender!, id, 'x');
    await settle();
    expect(await countDeliveries()).toBe(0);
    const { body } = await t.request('GET', '/api/push/subscriptions', { token: user.token });
    expect([pushesTo(user.subscription), body['items'].length]).toEqual([1, 1]);
    expect(service.received.some(({ path }) => path === '/elsewhere')).toBe(false);
  });
});

it('a host that resolves to a private address gets no connection, and the push is tried again', async () => {
  const [sender] = await connectUsers(t, 1);
  const user = await offlineUser();
  const id = await create(sender!, user);
  const endpoint = service.url.replace('http://127.0.0.1', 'https://localhost'); // as a name that a client chose may resolve
  await t.dataSource.query('update push_subscriptions set endpoint = $2 where user_id = $1', [
    user.id,
    `${endpoint}/a`,
  ]);
  const connections = service.connections();
  await say(sender!, id, 'x');
  await settle();
  const isRetried = `select 1 from push_deliveries where attempts = 1 and due_at < created_at + interval '40 seconds'`;
  expect(await t.dataSource.query<unknown[]>(isRetried)).toHaveLength(1);
  expect(service.connections()).toBe(connections);
  await t.dataSource.query('delete from push_subscriptions where user_id = $1', [user.id]);
});

it('what a process that died has left is sent by another one', async () => {
  const [sender] = await connectUsers(t, 1);
  const user = await offlineUser();
  const id = await create(sender!, user);
  const message = await say(sender!, id, 'x');
  await settle();
  const sql = `insert into push_messages (conversation_id, message_id, mentions, created_at) values ($1, $2, '{}', now())`;
  await t.dataSource.query(sql, [id, message]); // noted, and not looked at
  await settle();
  expect(pushesTo(user.subscription)).toBe(2);
  const claimed = `insert into push_deliveries (subscription_id, conversation_id, message_id, attempts, created_at, due_at, expires_at)
    select id, $2, $3, 1, now(), $4, now() + interval '1 day' from push_subscriptions where user_id = $1`;
  await t.dataSource.query(claimed, [user.id, id, message, new Date(t.clock.now() + MINUTE_MS)]); // claimed, and not sent
  await settle();
  expect(pushesTo(user.subscription)).toBe(2);
  t.clock.advance(2 * MINUTE_MS);
  await settle();
  expect(pushesTo(user.subscription)).toBe(3);
});

it('two workers at once send each push once', async () => {
  const [sender] = await connectUsers(t, 1);
  const users = await Promise.all(Array.from({ length: 5 }, () => offlineUser()));
  const other = await startApp({ env: { SECRET_KEY: t.config.SECRET_KEY }, database: t.connection });
  const workers = [t.app.get(PushWorker), other.app.get(PushWorker)];
  for (const user of users) {
    const id = await create(sender!, user);
    await say(sender!, id, 'x');
    await Promise.all(workers.map((worker) => worker.run()));
  }
  await Promise.all(workers.map((worker) => worker.idle()));
  expect(await countDeliveries()).toBe(0);
  await other.stop();
  expect(users.map(({ subscription }) => pushesTo(subscription))).toEqual([1, 1, 1, 1, 1]);
});

it('messages that concern nobody with a subscription are stored without a note', async () => {
  const app = await startApp();
  const [first, second] = await connectUsers(app, 2);
  const id = await create(first!, second!);
  await app.dataSource.query(`create function refuse_note() returns trigger language plpgsql as
    $$ begin raise 'noted'; end $$`);
  await app.dataSource.query(
    'create trigger refuse_note before insert on push_messages for each row execute function refuse_note()',
  );
  await second!.next();
  expect(await say(first!, id, `hello @${second!.username}`)).toBeGreaterThan(0);
  await app.stop();
});

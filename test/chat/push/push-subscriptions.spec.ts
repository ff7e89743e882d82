import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyPair } from '../../../src/common/keys/key-pair.js';
import { newKeys, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { startPushService } from '../../support/servers/push-service.js';

let t: TestApp;
let service: Awaited<ReturnType<typeof startPushService>>;
beforeAll(async () => {
  [t, service] = await Promise.all([startApp(), startPushService()]);
});
afterAll(async () => {
  await t.stop();
  await service.stop();
});

const subscriptionBody = () => {
  const { endpoint, keys } = service.subscribe();
  return { endpoint, keys };
};
const subscribe = ({ token }: Pick<SignedInUser, 'token'>, body: object = subscriptionBody()) =>
  t.request('POST', '/api/push/subscriptions', { token, body });
const list = async ({ token }: Pick<SignedInUser, 'token'>) =>
  (await t.request('GET', '/api/push/subscriptions', { token })).body['items'];

describe('GET /api/push/key', () => {
  it('answers a P-256 point that survives a restart with the same DATA_DIR or key', async () => {
    const { status, body } = await t.request('GET', '/api/push/key');
    const point = Buffer.from(body['public_key'], 'base64url');
    expect([status, point.length, point[0]]).toEqual([200, 65, 4]);
    const again = await startApp({ env: { VAPID_PRIVATE_KEY: t.config.VAPID_PRIVATE_KEY! }, database: t.connection });
    expect((await again.request('GET', '/api/push/key')).body).toEqual(body);
    await again.stop();
  });

  it('answers 404 push_off in production without a key, as POST does', async () => {
    const production = await startApp({
      env: { NODE_ENV: 'production', BCRYPT_COST: '10', RATE_LIMITS: 'on', ...newKeys() },
      database: t.connection,
    });
    const { status, body } = await production.request('GET', '/api/push/key');
    expect([status, body.code]).toEqual([404, 'push_off']);
    const token = await production.asAdmin();
    const posted = await production.request('POST', '/api/push/subscriptions', { token, body: subscriptionBody() });
    expect([posted.status, posted.body.code]).toEqual([404, 'push_off']);
    await production.stop();
  });
});

describe('POST /api/push/subscriptions', () => {
  it('takes what a browser writes, answers no keys, and does the same when repeated', async () => {
    const user = await t.user();
    const body = { ...subscriptionBody(), expirationTime: null };
    const first = await subscribe(user, body);
    expect(first.status).toBe(200);
    expect(first.body).toEqual({
      id: expect.any(String),
      service: '127.0.0.1',
      is_current: true,
      created_at: expect.any(String),
    });
    expect((await subscribe(user, body)).body).toEqual(first.body);
    expect(await list(user)).toEqual([first.body]);
  });

  it('moves a subscription to the latest session of the user in this browser', async () => {
    const user = await t.user();
    const body = subscriptionBody();
    await subscribe(user, body);
    const token = await t.signIn(user.username, user.password);
    await subscribe({ token }, body);
    expect(await list(user)).toMatchObject([{ is_current: false }]);
    await t.request('DELETE', '/api/sessions/current', { token: user.token });
    expect(await list({ token })).toMatchObject([{ is_current: true }]);
  });

  it.each([
    'https://127.0.0.1/a',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/a',
    'https://localhost/a',
    'https://db.internal/a',
    'https://user@push.example.org/a',
    'https://push.example.org:8443/a',
    'http://push.example.org/a',
    'file:///etc/passwd',
    `https://push.example.org/${'a'.repeat(2000)}`,
    'x',
  ])('answers 422 for the endpoint %s', async (endpoint) => {
    const { status, body } = await subscribe(await t.user(), { ...subscriptionBody(), endpoint });
    expect([status, body.code, body.errors?.[0]?.path]).toEqual([422, 'validation_failed', 'endpoint']);
  });

  it.each([[[]], [[{}]], [{ keys: [] }], [{ keys: [null] }], [{ keys: { p256dh: [], auth: {} } }]])(
    'answers 422 for %j instead of a subscription',
    async (subscription) => {
      const { status, body } = await subscribe(await t.user(), subscription);
      expect([status, body.code]).toEqual([422, 'validation_failed']);
      expect(body.errors?.map(({ path }) => path)).toEqual(expect.arrayContaining(['endpoint']));
    },
  );

  it.each([
    ['a key that is no point of the curve', { p256dh: Buffer.concat([Buffer.from([4]), randomBytes(64)]) }],
    ['a compressed key', { p256dh: Buffer.concat([Buffer.from([2]), randomBytes(32)]) }],
    ['a short secret', { auth: randomBytes(15) }],
    ['a long secret', { auth: randomBytes(17) }],
  ])('answers 422 for %s', async (_, bytes) => {
    const body = subscriptionBody();
    const [[name, value]] = Object.entries(bytes) as [[string, Buffer]];
    const answer = await subscribe(await t.user(), {
      ...body,
      keys: { ...body.keys, [name]: value.toString('base64url') },
    });
    expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([422, `keys.${name}`]);
  });

  it.each([
    [{}],
    [{ keys: null }],
    [{ keys: [] }],
    [{ keys: 'a' }],
    [{ keys: { p256dh: 1, auth: {} } }],
    [{ endpoint: 5 }],
  ])('answers 422 for the fields %j', async (fields) => {
    const { endpoint } = subscriptionBody();
    expect((await subscribe(await t.user(), { endpoint, ...fields })).status).toBe(422);
  });

  it('answers 409 too_many_push_subscriptions for the 21st of a user, also when they are sent at once', async () => {
    const user = await t.user();
    await t.warmUp();
    const answers = await Promise.all(Array.from({ length: 24 }, () => subscribe(user)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(new Set(refused.map(({ body }) => body.code))).toEqual(new Set(['too_many_push_subscriptions']));
    expect(await list(user)).toHaveLength(20);
  });

  it('moves to another user who signs in on the same browser', async () => {
    const [former, next] = [await t.user(), await t.user()];
    const body = subscriptionBody();
    const { id } = (await subscribe(former, body)).body;
    const moved = await subscribe(next, body);
    expect(moved.status).toBe(200);
    expect(moved.body['id']).not.toBe(id);
    expect([await list(former), await list(next)]).toEqual([[], [moved.body]]);
  });

  it('answers 409 push_endpoint_taken to another user who knows the endpoint and not the keys', async () => {
    const [owner, other] = [await t.user(), await t.user()];
    const body = subscriptionBody();
    const { body: kept } = await subscribe(owner, body);
    const answer = await subscribe(other, { ...body, keys: subscriptionBody().keys });
    expect([answer.status, answer.body.code]).toEqual([409, 'push_endpoint_taken']);
    expect(await list(owner)).toEqual([kept]);
  });

  it('leaves one owner when two users of a browser subscribe at once', async () => {
    await t.warmUp();
    for (let round = 0; round < 5; round++) {
      const users = [await t.user(), await t.user()];
      const body = subscriptionBody();
      const answers = await Promise.all(users.map((user) => subscribe(user, body)));
      expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
      const lists = await Promise.all(users.map((user) => list(user)));
      expect(lists.flat()).toHaveLength(1);
    }
  });
});

describe('DELETE /api/push/subscriptions/:id', () => {
  it('removes a subscription of the caller once, and answers 404 for those of other users', async () => {
    const [user, other] = [await t.user(), await t.user()];
    const { id } = (await subscribe(user)).body;
    const remove = async ({ token }: SignedInUser) => {
      const { status, body } = await t.request('DELETE', `/api/push/subscriptions/${id}`, { token });
      return [status, body.code];
    };
    expect(await remove(other)).toEqual([404, 'push_subscription_not_found']);
    expect(await list(user)).toHaveLength(1);
    expect(await remove(user)).toEqual([204, undefined]);
    expect(await remove(user)).toEqual([404, 'push_subscription_not_found']);
    expect(await list(user)).toEqual([]);
  });
});

describe('signing out', () => {
  it('removes the subscriptions of the session and keeps those of other sessions', async () => {
    const user = await t.user();
    const other = await t.signIn(user.username, user.password);
    await subscribe(user);
    await subscribe({ token: other });
    await t.request('DELETE', '/api/sessions/current', { token: user.token });
    expect(await list({ token: other })).toMatchObject([{ is_current: true }]);
    await t.request('DELETE', '/api/sessions', { token: other });
    const token = await t.signIn(user.username, user.password);
    expect(await list({ token })).toEqual([]);
  });

  it('leaves no subscription when both happen at once', async () => {
    await t.warmUp();
    for (let round = 0; round < 10; round++) {
      const user = await t.user();
      const [subscribed] = await Promise.all([
        subscribe(user),
        t.request('DELETE', '/api/sessions/current', { token: user.token }),
      ]);
      expect([200, 401]).toContain(subscribed.status);
    }
    const rows = await t.dataSource.query<unknown[]>(
      'select 1 from push_subscriptions p where not exists (select from sessions s where s.id = p.session_id)',
    );
    expect(rows).toEqual([]);
  });
});

it('changes of subscriptions are audited without endpoint and keys', async () => {
  const user = await t.user();
  const body = subscriptionBody();
  const { id } = (await subscribe(user, body)).body;
  await t.request('DELETE', `/api/push/subscriptions/${id}`, { token: user.token });
  const events = await t.dataSource.query<{ action: string; details: object }[]>(
    `select action, details from audit_events where subject_id = $1 and action like 'push%' order by id`,
    [user.id],
  );
  expect(events).toEqual([
    { action: 'push_subscription.created', details: { push_subscription_id: id } },
    { action: 'push_subscription.removed', details: { push_subscription_id: id } },
  ]);
  const log = t.logLines.join('');
  for (const secret of [body.endpoint, body.keys.auth, body.keys.p256dh]) expect(log).not.toContain(secret);
});

it('a wrong VAPID key or subject fails the configuration check with the correction', async () => {
  const { loadConfig } = await import('../../../src/config/load-config.js');
  const env = { NODE_ENV: 'production', ...newKeys() };
  expect(() => loadConfig({ ...env, VAPID_PRIVATE_KEY: 'x' })).toThrow(
    /VAPID_PRIVATE_KEY must be one P-256 private key/,
  );
  expect(() => loadConfig({ ...env, VAPID_PRIVATE_KEY: createKeyPair() })).toThrow(/VAPID_SUBJECT is missing/);
  const key = { VAPID_PRIVATE_KEY: createKeyPair() };
  expect(() => loadConfig({ ...env, ...key, VAPID_SUBJECT: 'admin' })).toThrow(/VAPID_SUBJECT must be mailto:/);
  const config = loadConfig({ ...env, ...key, VAPID_SUBJECT: 'mailto:admin@example.org' });
  expect(config.VAPID_SUBJECT).toBe('mailto:admin@example.org');
});

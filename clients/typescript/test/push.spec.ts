import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../../test/support/app.js';
import { type BrowserSubscription, startPushService } from '../../../test/support/servers/push-service.js';
import { MachiClient } from '../dist/index.js';

let t: TestApp;
let service: Awaited<ReturnType<typeof startPushService>>;
beforeAll(async () => {
  [t, service] = await Promise.all([startApp(), startPushService()]);
});
afterAll(async () => {
  await t.stop();
  await service.stop();
});

/** The push manager of a browser, which has at most one subscription. */
function browser() {
  let current: (BrowserSubscription & { key: string }) | undefined;
  const toSubscription = ({ endpoint, keys, key }: NonNullable<typeof current>) => ({
    options: { applicationServerKey: Uint8Array.from(Buffer.from(key, 'base64url')).buffer },
    toJSON: () => ({ endpoint, keys }),
    unsubscribe: () => {
      current = undefined;
      return Promise.resolve(true);
    },
  });
  const pushManager = {
    getSubscription: () => Promise.resolve(current ? toSubscription(current) : null),
    subscribe: ({ applicationServerKey: key }: { applicationServerKey: string }) => {
      current ??= { ...service.subscribe(), key };
      return Promise.resolve(toSubscription(current));
    },
  };
  return {
    registration: { pushManager },
    endpoint: () => current?.endpoint,
    /** As if it had subscribed with the key of the server before. */
    useOldKey: () => (current!.key = 'BAAA'),
  };
}

it('enable subscribes and registers once, subscribes anew for a new key of the server, and disable ends both', async () => {
  const { username } = await t.user();
  const machi = new MachiClient({ baseUrl: t.url });
  await machi.signIn(username, PASSWORD);
  const { registration, endpoint, useOldKey } = browser();
  const first = await machi.push.enable(registration);
  const firstEndpoint = endpoint();
  expect(await machi.push.enable(registration)).toEqual(first);
  expect(endpoint()).toBe(firstEndpoint);
  useOldKey();
  const second = await machi.push.enable(registration);
  expect([second.id === first.id, endpoint() === firstEndpoint]).toEqual([false, false]);
  await machi.push.disable(registration);
  expect([(await machi.api.listPushSubscriptions()).items, endpoint()]).toEqual([[], undefined]);
});

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { RateLimitCountersService } from '../../src/rate-limit/counters/rate-limit-counters.service.js';
import { quotaKey, UPLOAD_QUOTA } from '../../src/rate-limit/quotas.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { call, canUpload, formOf, get, imageFile, openUpload, startUpload, upload } from '../support/files/images.js';

let image: Buffer;
beforeAll(async () => {
  image = await imageFile(1);
});

let t: TestApp;
let users: SignedInUser[];
let sockets: Socket[];
beforeEach(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'on' } });
  users = await Promise.all(Array.from({ length: 9 }, () => t.user()));
  sockets = [];
  t.clock.set(Date.now());
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await t.stop();
});

const TOO_MANY = { status: 429, code: 'too_many_uploads' };

const tries = async (user: SignedInUser) => {
  const { body, headers } = await upload(t, user, image);
  return { status: 202, ...body, retry: headers.get('retry-after') };
};

/** Starts as many uploads as one user may have at once, for each of these users. */
async function holdSlots(of: SignedInUser[], begin = startUpload): Promise<void> {
  for (const { token } of of) for (let i = 0; i < 4; i++) sockets.push(await begin(t, token));
}

/** What the server sends until it closes the connection. */
async function readAll(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  await once(socket, 'close');
  return text;
}

it('the server answers 429 beyond 32 concurrent uploads, and beyond 4 of one user', async () => {
  await holdSlots(users.slice(0, 1));
  await expect.poll(() => canUpload(t, users[0]!)).toBe(false);
  expect(await tries(users[0]!)).toMatchObject(TOO_MANY);
  const form = await call(t, 'PATCH', '/api/users/me', users[0]!.token, { body: formOf(image) });
  expect(form.body).toMatchObject(TOO_MANY); // both routes share the limit
  expect(await tries(users[1]!)).toMatchObject({ state: 'pending' });
  await holdSlots(users.slice(1, 8));
  await expect.poll(() => canUpload(t, users[8]!)).toBe(false);
  expect(await tries(users[8]!)).toMatchObject({ ...TOO_MANY, retry: '2' });
  expect((await get(t, `/api/users/${users[0]!.id}/avatar`)).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => tries(users[8]!)).toMatchObject({ state: 'pending' });
});

it('32 uploads of eight users that send nothing after their headers delay no upload, not even of these users', async () => {
  await holdSlots(users.slice(0, 8), openUpload);
  for (const user of users) expect(await tries(user)).toMatchObject({ state: 'pending' });
});

it('an upload that arrives more slowly than 8 KiB per second is answered 408 and frees its slot', async () => {
  await holdSlots(users.slice(0, 1));
  await expect.poll(() => canUpload(t, users[0]!)).toBe(false);
  const answers = Promise.all(sockets.map(readAll));
  t.clock.advance(4900);
  expect(await canUpload(t, users[0]!)).toBe(false);
  t.clock.advance(200);
  await expect.poll(() => canUpload(t, users[0]!)).toBe(true);
  for (const answer of await answers) expect(answer).toMatch(/^HTTP\/1.1 408 .*"code":"request_timeout"/s);
});

it('an upload that arrives too slowly is refused also after the clock was set back', async () => {
  t.clock.set(Date.now() + 50_000); // tokens stay valid
  await holdSlots(users.slice(0, 1));
  await expect.poll(() => canUpload(t, users[0]!)).toBe(false);
  t.clock.set(Date.now());
  await sleep(1_000); // the server looks at its uploads
  t.clock.advance(5_100);
  await expect.poll(() => canUpload(t, users[0]!), { timeout: 3_000 }).toBe(true);
});

it('a new upload gets the slot of the slowest one when all 32 slots are taken for two seconds', async () => {
  await holdSlots(users.slice(0, 8));
  await expect.poll(() => canUpload(t, users[8]!)).toBe(false);
  for (const socket of sockets.slice(1)) socket.write('more');
  const slowest = readAll(sockets[0]!);
  t.clock.advance(2100);
  expect(await tries(users[8]!)).toMatchObject({ state: 'pending' });
  expect(await slowest).toMatch(/^HTTP\/1.1 429 .*"code":"too_many_uploads"/s);
});

it('an upload that is not completed counts against the quota of sixty an hour', async () => {
  const [user, other] = users as [SignedInUser, SignedInUser];
  const key = t.app.get(RateLimitCountersService).key(quotaKey(UPLOAD_QUOTA, user.id));
  const counted = async (): Promise<number> => {
    const rows = await t.dataSource.query<{ count: number }[]>('select count from rate_limit_counters where key = $1', [
      key,
    ]);
    return rows[0]?.count ?? 0;
  };
  for (let i = 1; i <= 60; i++) {
    const socket = await startUpload(t, user.token);
    sockets.push(socket);
    await expect.poll(counted).toBe(i);
    socket.end();
    await once(socket, 'close');
  }
  expect(await tries(user)).toMatchObject({ status: 429, code: 'rate_limited' });
  expect(await tries(other)).toMatchObject({ state: 'pending' });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { call, formOf, get, imageFile, upload, uploadApproved } from '../support/files/images.js';

let t: TestApp;
let moderator: string;
beforeAll(async () => {
  t = await startApp();
  moderator = (await t.user('moderate_avatars')).token;
});
afterAll(() => t.stop());

let seed = 100;
const nextImage = (): Promise<Buffer> => imageFile(++seed);
const decide = (id: string, decision: 'approve' | 'reject', body?: object, token = moderator) =>
  t.request('POST', `/api/moderation/avatars/${id}/${decision}`, { token, body });
const takeDown = (id: string, body: object, token = moderator) =>
  t.request('DELETE', `/api/moderation/users/${id}/avatar`, { token, body });
const mine = async (token: string) => (await t.request('GET', '/api/users/me/avatar', { token })).body;
const DAY_MS = 86_400_000;

it('GET /api/moderation/avatars returns pending avatars in pages, oldest first', async () => {
  const own = await startApp();
  const token = (await own.user('moderate_avatars')).token;
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push((await upload(own, await own.user(), await nextImage())).body['id']);
  const page = async (query: string) => (await own.request('GET', `/api/moderation/avatars${query}`, { token })).body;
  const first = await page('?state=pending&limit=2');
  expect(first['items'].map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 2));
  expect(first['items'][0]).toMatchObject({
    state: 'pending',
    is_shown: false,
    resembles_rejected: false,
    user: { username: 'user2' },
  });
  const second = await page(`?limit=2&cursor=${first['next_cursor']}`);
  expect([second['items'].map(({ id }: { id: string }) => id), second['next_cursor']]).toEqual([ids.slice(2), null]);
  expect((await page('?state=approved'))['items']).toEqual([]);
  expect((await page('?state=withdrawn'))['code']).toBe('validation_failed');
  await own.stop();
});

it('an approved avatar is shown to everyone, with headers for permanent caching', async () => {
  const user = await t.user();
  const { body } = await upload(t, user, await nextImage());
  const id = body['id'];
  const approved = await decide(id, 'approve');
  expect([approved.status, approved.body['state'], approved.body['is_shown']]).toEqual([200, 'approved', true]);
  const { status, headers, bytes } = await get(t, body['urls']['256']);
  expect(status).toBe(200);
  expect(Object.fromEntries(headers)).toMatchObject({
    'content-type': 'image/webp',
    'content-length': String(bytes.length),
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
    'cross-origin-resource-policy': 'cross-origin',
    'accept-ranges': 'bytes',
    etag: `"${id}-256"`,
  });
  expect(await mine(user.token)).toMatchObject({
    avatar_url: body['urls']['256'],
    shown: { id, is_shown: true },
    pending: null,
  });
  expect((await decide(id, 'approve')).body['code']).toBe('avatar_not_pending');
  expect((await decide(id, 'reject', { reason: 'late' })).body['code']).toBe('avatar_not_pending');
});

it('a rejection shows its reason to the owner, deletes the files and keeps the approved avatar', async () => {
  const user = await t.user();
  const first = await uploadApproved(t, user, moderator, ++seed);
  const { body } = await upload(t, user, await nextImage());
  for (const reason of [undefined, '', ' ', 'x'.repeat(501), 'two\nlines', 7]) {
    expect((await decide(body['id'], 'reject', { reason })).status).toBe(422);
  }
  const { status } = await decide(body['id'], 'reject', { reason: 'Shows another user.' });
  expect(status).toBe(200);
  expect(await mine(user.token)).toMatchObject({
    avatar_url: first['urls']['256'],
    shown: { id: first['id'] },
    pending: null,
    rejected: { id: body['id'], state: 'rejected', reason: 'Shows another user.', urls: null },
  });
  expect((await get(t, first['urls']['64'])).status).toBe(200);
  for (const token of [user.token, moderator, undefined]) {
    expect((await get(t, body['urls']['64'], token)).status).toBe(404);
  }
  const { body: third } = await upload(t, user, await nextImage());
  const later = await decide(third['id'], 'reject', { reason: 'Nor this.' });
  const { id: moderatorId } = (await t.request('GET', '/api/users/me', { token: moderator })).body;
  expect(later.body).toMatchObject({ state: 'rejected', is_shown: false, decided_by: moderatorId });
  expect(await mine(user.token)).toMatchObject({ rejected: { id: third['id'], reason: 'Nor this.' } });
});

it('moderation answers 404 for unknown avatars, unknown users and users without an avatar', async () => {
  for (const how of ['approve', 'reject'] as const) {
    expect((await decide(randomUUID(), how, { reason: 'x' })).body).toMatchObject({
      status: 404,
      code: 'avatar_not_found',
    });
  }
  expect((await takeDown(randomUUID(), { reason: 'x' })).body).toMatchObject({ status: 404, code: 'user_not_found' });
  expect((await takeDown((await t.user()).id, { reason: 'x' })).body).toMatchObject({
    status: 404,
    code: 'avatar_not_found',
  });
});

it('a take-down removes the shown and the pending avatar and locks uploads until lock_days have passed, to the millisecond', async () => {
  const now = Date.now();
  t.clock.set(now);
  const user = await t.user();
  const first = await uploadApproved(t, user, moderator, ++seed);
  const second = (await upload(t, user, await nextImage())).body;
  for (const lock_days of [-1, 1.5, 3651, '7'])
    expect((await takeDown(user.id, { reason: 'x', lock_days })).status).toBe(422);
  expect((await takeDown(user.id, { reason: 'Rude.', lock_days: 7 })).status).toBe(204);
  const locked_until = new Date(now + 7 * DAY_MS).toISOString();
  const identicon = `/api/users/${user.id}/avatar`;
  expect(await mine(user.token)).toMatchObject({
    avatar_url: identicon,
    shown: null,
    pending: null,
    rejected: { reason: 'Rude.' },
    locked_until,
  });
  const { body: rejected } = await t.request('GET', '/api/moderation/avatars?state=rejected&limit=100', {
    token: moderator,
  });
  const { id: moderatorId } = (await t.request('GET', '/api/users/me', { token: moderator })).body;
  const ofUser = (rejected['items'] as { user: { id: string }; decided_by: string }[]).filter(
    (one) => one.user.id === user.id,
  );
  expect(ofUser.map((one) => one.decided_by)).toEqual([moderatorId, moderatorId]);
  for (const { urls } of [first, second]) expect((await get(t, urls['64'], moderator)).status).toBe(404);
  t.clock.set(now + 7 * DAY_MS - 1);
  user.token = await t.signIn(user.username, user.password);
  const refused = await upload(t, user, await nextImage());
  expect(refused.body).toMatchObject({ status: 403, code: 'avatar_locked', locked_until });
  expect((await upload(t, user, Buffer.from('junk'))).body['code']).toBe('avatar_locked'); // checked before the image is decoded
  const form = await call(t, 'PATCH', '/api/users/me', user.token, { body: formOf(await nextImage()) });
  expect(form.body['code']).toBe('avatar_locked');
  t.clock.set(now + 7 * DAY_MS);
  expect((await upload(t, user, await nextImage())).status).toBe(202);
  t.clock.set(now);
});

it('every upload, decision and removal is recorded in the audit log with its actor', async () => {
  const user = await t.user();
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push((await upload(t, user, await nextImage())).body['id']);
  await decide(ids[2]!, 'approve');
  ids.push((await upload(t, user, await nextImage())).body['id']);
  await decide(ids[3]!, 'reject', { reason: 'No.' });
  await takeDown(user.id, { reason: 'Rude.' });
  ids.push((await upload(t, user, await nextImage())).body['id']);
  await t.request('DELETE', '/api/users/me/avatar', { token: user.token });
  await t.request('DELETE', '/api/users/me/avatar', { token: user.token }); // no avatar left: not recorded
  const { body } = await t.request('GET', `/api/audit?subject_id=${user.id}&limit=100`, { token: await t.asAdmin() });
  const events = (
    body['items'] as { action: string; actor_id: string; details: { avatar_id?: string; replaced?: string[] } }[]
  )
    .filter(({ action }) => action.startsWith('avatar.'))
    .toReversed();
  const steps = [
    'uploaded',
    'uploaded',
    'uploaded',
    'approved',
    'uploaded',
    'rejected',
    'taken_down',
    'uploaded',
    'removed',
  ];
  expect(events.map(({ action }) => action.slice(7))).toEqual(steps);
  const own = events.filter(({ actor_id }) => actor_id === user.id).map(({ action }) => action);
  expect(new Set(own)).toEqual(new Set(['avatar.uploaded', 'avatar.removed']));
  expect(events[1]!.details).toMatchObject({ avatar_id: ids[1], replaced: [ids[0]] });
  expect(events[5]!.details).toMatchObject({ avatar_id: ids[3], reason: 'No.' });
  expect(events[6]!.details).toMatchObject({ avatar_ids: [ids[2]], reason: 'Rude.' });
});

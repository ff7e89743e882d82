import { afterAll, beforeAll, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { call, get, imageFile, upload } from '../support/files/images.js';

let t: TestApp;
let moderators: string[];
let images: Buffer[];
beforeAll(async () => {
  t = await startApp();
  moderators = [(await t.user('moderate_avatars')).token, (await t.user('moderate_avatars')).token];
  images = await Promise.all([1, 2, 3, 4].map((seed) => imageFile(seed)));
  await t.warmUp();
});
afterAll(() => t.stop());

const post = (path: string, token: string, body?: object) =>
  t.request('POST', `/api/moderation/avatars/${path}`, { token, body });
const approve = (id: string, token = moderators[0]!) => post(`${id}/approve`, token);
const reject = (id: string, token = moderators[1]!) => post(`${id}/reject`, token, { reason: 'No.' });
const uploaded = async (user: SignedInUser): Promise<string> => (await upload(t, user, images[0]!)).body['id'];

const rows = (user: SignedInUser) =>
  t.dataSource.query<{ id: string; state: string; is_shown: boolean }[]>(
    `select a.id, a.state, a.id = u.avatar_id is true as is_shown from avatars a join users u on u.id = a.user_id
     where u.id = $1 and state in ('pending', 'approved')`,
    [user.id],
  );

it('four concurrent uploads of one user leave one pending avatar with its files', async () => {
  for (let round = 0; round < 5; round++) {
    const user = await t.user();
    const answers = await Promise.all(images.map((bytes) => upload(t, user, bytes)));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    const [waiting, ...others] = await rows(user);
    expect([waiting?.state, others]).toEqual(['pending', []]);
    for (const { body } of answers) {
      const { status } = await get(t, body['urls']['64'], user.token);
      expect(status).toBe(body['id'] === waiting!.id ? 200 : 404);
    }
  }
});

it('of two concurrent decisions one succeeds and one is recorded', async () => {
  for (let round = 0; round < 20; round++) {
    const user = await t.user();
    const id = await uploaded(user);
    const answers = await Promise.all([approve(id), reject(id)]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409]);
    const isApproved = answers[0].status === 200;
    expect(await rows(user)).toEqual(isApproved ? [{ id, state: 'approved', is_shown: true }] : []);
    const { body } = await t.request('GET', `/api/audit?subject_id=${user.id}`, { token: await t.asAdmin() });
    const actions = (body['items'] as { action: string }[]).map(({ action }) => action);
    expect(actions.filter((action) => /approved|rejected/.test(action))).toEqual([
      isApproved ? 'avatar.approved' : 'avatar.rejected',
    ]);
  }
});

it('of ten concurrent approvals of one avatar one succeeds', async () => {
  const id = await uploaded(await t.user());
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => approve(id, moderators[i % 2])));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter(({ body }) => body['code'] === 'avatar_not_pending')).toHaveLength(9);
});

it('an approval never shows an avatar that a concurrent upload has replaced', async () => {
  for (let round = 0; round < 10; round++) {
    const user = await t.user();
    const first = await uploaded(user);
    const [{ status }, second] = await Promise.all([approve(first), upload(t, user, images[1]!)]);
    expect(second.status).toBe(202);
    const waiting = { id: second.body['id'], state: 'pending', is_shown: false };
    const before = { id: first, state: 'approved', is_shown: true };
    const left = (await rows(user)).toSorted((a, b) => a.state.localeCompare(b.state));
    expect(left).toEqual(status === 200 ? [before, waiting] : [waiting]);
    expect([200, 409]).toContain(status);
  }
});

it('no concurrent upload or approval survives a take-down or a removal', async () => {
  for (let round = 0; round < 10; round++) {
    const [one, two] = [await t.user(), await t.user()];
    const [first, second] = [await uploaded(one), await uploaded(two)];
    const body = { reason: 'Rude.', lock_days: 1 };
    const [takenDown, again] = await Promise.all([
      t.request('DELETE', `/api/moderation/users/${one.id}/avatar`, { token: moderators[0]!, body }),
      upload(t, one, images[1]!),
      approve(first, moderators[1]),
    ]);
    expect([takenDown.status, await rows(one)]).toEqual([204, []]);
    expect([202, 403]).toContain(again.status);
    const [gone] = await Promise.all([call(t, 'DELETE', '/api/users/me/avatar', two.token), approve(second)]);
    expect([gone.status, await rows(two)]).toEqual([204, []]);
  }
});

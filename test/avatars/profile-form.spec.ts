import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { call, formOf, imageFile } from '../support/files/images.js';

let t: TestApp;
let moderator: string;
beforeAll(async () => {
  t = await startApp();
  moderator = (await t.user('moderate_avatars')).token;
});
afterAll(() => t.stop());

let seed = 400;
const nextImage = (): Promise<Buffer> => imageFile(++seed);
const decide = (id: string, decision: 'approve' | 'reject', body?: object, token = moderator) =>
  t.request('POST', `/api/moderation/avatars/${id}/${decision}`, { token, body });
const mine = async (token: string) => (await t.request('GET', '/api/users/me/avatar', { token })).body;
const patch = (token: string, body: FormData) => call(t, 'PATCH', '/api/users/me', token, { body });

it('PATCH /api/users/me accepts a form with fields and a file, and answers with the user', async () => {
  const user = await t.user();
  const form = formOf(await nextImage());
  form.set('fullname', '  New Name ');
  const { status, body } = await patch(user.token, form);
  expect([status, body['fullname'], body['avatar_url']]).toEqual([200, 'New Name', `/api/users/${user.id}/avatar`]);
  const { pending } = await mine(user.token);
  await decide(pending!.id, 'approve');
  const fields = new FormData();
  fields.set('address', 'Tokyo');
  const again = await patch(user.token, fields);
  expect([again.status, again.body['address'], again.body['avatar_url']]).toEqual([
    200,
    'Tokyo',
    pending!.urls!['256'],
  ]);
  expect(
    (await t.request('PATCH', '/api/users/me', { token: user.token, body: { address: 'Kyoto' } })).body['address'],
  ).toBe('Kyoto');
});

it('PATCH /api/users/me changes nothing when one field or the file is refused', async () => {
  const user = await t.user();
  const bad = formOf(await nextImage());
  bad.set('is_active', 'false');
  expect((await patch(user.token, bad)).body).toMatchObject({ status: 422, code: 'validation_failed' });
  const proto = formOf(await nextImage());
  proto.set('constructor', 'x');
  expect((await patch(user.token, proto)).body).toMatchObject({ status: 422, code: 'validation_failed' });
  const svg = formOf(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), { name: 'a.png', type: 'image/png' });
  svg.set('fullname', 'Changed');
  expect((await patch(user.token, svg)).body).toMatchObject({ status: 415, code: 'unsupported_picture' });
  const misnamed = formOf(await nextImage(), { field: 'picture' });
  expect((await patch(user.token, misnamed)).body).toMatchObject({ status: 400, code: 'no_file' });
  const unproven = formOf(await nextImage());
  unproven.set('email', 'other@example.org');
  unproven.set('current_password', 'a wrong one');
  expect((await patch(user.token, unproven)).body['code']).toBe('wrong_password');
  const taken = formOf(await nextImage());
  taken.set('username', (await t.user()).username);
  expect((await patch(user.token, taken)).body['code']).toBe('username_taken');
  expect(await mine(user.token)).toMatchObject({ pending: null });
  expect((await t.request('GET', '/api/users/me', { token: user.token })).body['fullname']).not.toBe('Changed');
});

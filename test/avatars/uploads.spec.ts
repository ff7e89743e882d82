import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { call, FORMATS, formOf, get, imageFile, scene, upload } from '../support/files/images.js';

let t: TestApp;
let moderator: string;
beforeAll(async () => {
  t = await startApp();
  moderator = (await t.user('moderate_avatars')).token;
});
afterAll(() => t.stop());

let seed = 0;
const nextImage = (): Promise<Buffer> => imageFile(++seed);
const decide = (id: string, decision: 'approve' | 'reject', body?: object, token = moderator) =>
  t.request('POST', `/api/moderation/avatars/${id}/${decision}`, { token, body });
const queue = async (query = '') =>
  (await t.request('GET', `/api/moderation/avatars${query}`, { token: moderator })).body['items'] as {
    id: string;
    user: { id: string };
  }[];
const mine = async (token: string) => (await t.request('GET', '/api/users/me/avatar', { token })).body;
const SIZES = ['64', '128', '256', '512'] as const;

it.each(FORMATS)('PUT /api/users/me/avatar accepts a %s and stores square WebP files in four sizes', async (kind) => {
  const user = await t.user();
  const { status, body } = await upload(t, user, await scene(++seed, 300, 200)[kind]().toBuffer());
  expect(status).toBe(202);
  expect(body).toMatchObject({ state: 'pending', is_shown: false, decided_at: null, reason: null });
  for (const size of SIZES) {
    const { status: found, bytes, headers } = await get(t, body['urls'][size], user.token);
    expect([found, headers.get('content-type')]).toEqual([200, 'image/webp']);
    const { format, width, height } = await sharp(bytes).metadata();
    expect([format, width, height]).toEqual(['webp', Number(size), Number(size)]);
  }
});

it('a pending avatar is visible to its owner, moderators and administrators only, with any headers', async () => {
  const user = await t.user();
  const { body } = await upload(t, user, await nextImage());
  const url = body['urls']['64'];
  for (const token of [user.token, moderator, await t.asAdmin()]) {
    const { status, headers } = await get(t, url, token);
    expect([status, headers.get('cache-control')]).toEqual([200, 'private, no-store']);
  }
  const cookie = { cookie: `login-token=${user.token}` };
  expect((await get(t, url, undefined, cookie)).status).toBe(200);
  for (const token of [
    undefined,
    (await t.user()).token,
    'a.b.c',
    (await t.user('view_hidden', 'moderate_chat')).token,
  ]) {
    for (const headers of [{}, { 'if-none-match': `"${body['id']}-64"` }, { range: 'bytes=0-1' }] as Record<
      string,
      string
    >[]) {
      const answer = await get(t, url, token, headers);
      expect([answer.status, answer.body['code'], answer.headers.get('cache-control')]).toEqual([
        404,
        'avatar_not_found',
        'no-store',
      ]);
    }
  }
  const { headers } = await get(t, `/api/users/${user.id}/avatar`);
  expect(headers.get('content-type')).toBe('image/png');
  const { body: other } = await t.request('GET', `/api/users/${user.id}`, { token: moderator });
  expect(other['avatar_url']).toBe(`/api/users/${user.id}/avatar`);
});

it('a newer upload replaces the pending avatar', async () => {
  const user = await t.user();
  const first = (await upload(t, user, await nextImage())).body;
  const second = (await upload(t, user, await nextImage())).body;
  expect((await queue('?limit=100')).filter((item) => item.user.id === user.id).map(({ id }) => id)).toEqual([
    second['id'],
  ]);
  expect((await get(t, first['urls']['64'], user.token)).status).toBe(404);
  expect((await decide(first['id'], 'approve')).body).toMatchObject({
    status: 409,
    code: 'avatar_not_pending',
  });
  expect(await mine(user.token)).toMatchObject({ shown: null, pending: { id: second['id'] }, rejected: null });
});

it('PUT /api/users/me/avatar rotates the image upright, crops its middle square and drops all metadata', async () => {
  const [w, h] = [300, 100]; // stored rotated; upright it is 100 × 300 with red, green and blue bands from the top
  const bands = ['#00f', '#0f0', '#f00'].map((background, i) => ({
    input: { create: { width: 100, height: h, channels: 3 as const, background } },
    left: i * 100,
    top: 0,
  }));
  const lying = sharp({ create: { width: w, height: h, channels: 3, background: '#fff' } }).composite(bands);
  const gps = { IFD0: { Make: 'Secret Camera' }, IFD3: { GPSLatitude: '35/1 41/1 22/1', GPSLatitudeRef: 'N' } };
  const bytes = await lying
    .withExif(gps)
    .withMetadata({ orientation: 8 })
    .withIccProfile('p3')
    .jpeg({ quality: 95 })
    .toBuffer();
  const { orientation, exif, icc } = await sharp(bytes).metadata();
  expect([orientation, Boolean(exif?.includes('Secret Camera')), Boolean(icc)]).toEqual([8, true, true]);
  const user = await t.user();
  const { body } = await upload(t, user, bytes);
  const { bytes: made } = await get(t, body['urls']['64'], user.token);
  const metadata = await sharp(made).metadata();
  for (const key of ['exif', 'icc', 'xmp', 'iptc', 'orientation'] as const)
    expect([key, metadata[key]]).toEqual([key, undefined]);
  expect(made.includes('Secret')).toBe(false);
  const { data } = await sharp(made).raw().toBuffer({ resolveWithObject: true });
  const [r, g, b] = data.subarray((32 * 64 + 32) * 3);
  expect([g! > 150, r! < 100, b! < 100]).toEqual([true, true, true]);
  const row = (y: number): string =>
    [...data.subarray(y * 192 + 30, y * 192 + 33)].map((c) => Math.round(c / 255)).join('');
  expect(new Set([8, 24, 40, 56].map(row))).toEqual(new Set(['010'])); // the middle square is green
});

it('PUT /api/users/me/avatar refuses forms without a file, with a second file or with further fields', async () => {
  const user = await t.user();
  const bytes = await nextImage();
  const two = formOf(bytes);
  two.append('second', new Blob([new Uint8Array(bytes)]), 'two.jpg');
  const withField = formOf(bytes);
  withField.set('state', 'approved');
  const text = new FormData();
  text.set('avatar', 'not a file');
  for (const [form, status, code] of [
    [two, 400, 'malformed_multipart'],
    [withField, 422, 'validation_failed'],
    [text, 400, 'no_file'],
    [new FormData(), 400, 'no_file'],
  ] as const) {
    const answer = await call(t, 'PUT', '/api/users/me/avatar', user.token, { body: form });
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
  }
  expect((await t.request('PUT', '/api/users/me/avatar', { token: user.token })).body).toMatchObject({
    status: 400,
    code: 'no_file',
  });
  expect((await t.request('PUT', '/api/users/me/avatar', { token: user.token, body: {} })).body).toMatchObject({
    status: 415,
    code: 'form_expected',
  });
  expect(await mine(user.token)).toMatchObject({ pending: null });
});

it('upload routes alone accept forms, from signed-in users only, in any letter case and with a trailing slash', async () => {
  const { token } = await t.user();
  for (const [method, path] of [
    ['POST', '/api/users'],
    ['POST', '/api/sessions'],
    ['PATCH', `/api/users/${randomUUID()}`],
    ['PUT', '/api/users/me/password'],
    ['DELETE', '/api/users/me'],
  ] as const) {
    const { status, body } = await call(t, method, path, token, { body: formOf(await nextImage()) });
    expect([path, status, body['code']]).toEqual([path, 415, 'unsupported_media_type']);
  }
  for (const [method, path] of [
    ['POST', '/api/users/me/avatar'],
    ['PATCH', '/api/users/me/form'],
    ['PUT', '/api/nothing'],
  ] as const) {
    const { status, body } = await call(t, method, path, token, { body: formOf(await nextImage()) });
    expect([path, status, body['code']]).toEqual([path, 404, 'route_not_found']);
  }
  for (const path of ['/api/users/me/avatar/', '/api/USERS/me/avatar']) {
    const { status } = await call(t, 'PUT', path, token, { body: formOf(await nextImage()) });
    expect([path, status]).toEqual([path, 202]);
  }
  for (const path of ['/api/users/me/', '/api/users/ME']) {
    const { status } = await call(t, 'PATCH', path, token, { body: formOf(await nextImage()) });
    expect([path, status]).toEqual([path, 200]);
  }
  for (const [method, path] of [
    ['PUT', '/api/users/me/avatar'],
    ['PATCH', '/api/users/me'],
  ] as const) {
    const { status, body } = await call(t, method, path, undefined, { body: formOf(await nextImage()) });
    expect([status, body['code']]).toEqual([401, 'token_required']);
  }
});

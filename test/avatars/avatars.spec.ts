import { randomUUID } from 'node:crypto';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { call, file, formOf, get, KINDS, scene, shown, upload } from '../support/images.js';

let t: TestApp;
let moderator: string;
beforeAll(async () => {
  t = await startApp();
  moderator = (await t.user('moderate_avatars')).token;
});
afterAll(() => t.stop());

const SIZES = ['64', '128', '256', '512'];
const DAY = 86_400_000;
let seed = 0;
const another = (): Promise<Buffer> => file(++seed);
const decide = (id: string, how: 'approve' | 'reject', body?: object, token = moderator) =>
  t.request('POST', `/api/moderation/avatars/${id}/${how}`, { token, body });
const takeDown = (id: string, body: object, token = moderator) =>
  t.request('DELETE', `/api/moderation/users/${id}/avatar`, { token, body });
const queue = async (query = '') =>
  (await t.request('GET', `/api/moderation/avatars${query}`, { token: moderator })).body['items'] as {
    id: string;
    user: { id: string };
  }[];
const mine = async (token: string) => (await t.request('GET', '/api/users/me/avatar', { token })).body;

describe('uploading', () => {
  it.each(KINDS)('takes a %s and keeps four squares of WebP', async (kind) => {
    const user = await t.user();
    const { status, body } = await upload(t, user, await scene(++seed, 300, 200)[kind]().toBuffer());
    expect(status).toBe(202);
    expect(body).toMatchObject({ state: 'pending', is_shown: false, decided_at: null, reason: null });
    for (const size of SIZES) {
      const { status: found, bytes, headers } = await get(t, body['urls'][size] as string, user.token);
      expect([found, headers.get('content-type')]).toEqual([200, 'image/webp']);
      const { format, width, height } = await sharp(bytes).metadata();
      expect([format, width, height]).toEqual(['webp', Number(size), Number(size)]);
    }
  });

  it('shows nobody else a pending one, by no URL', async () => {
    const user = await t.user();
    const { body } = await upload(t, user, await another());
    const url = body['urls']['64'] as string;
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
        expect([answer.status, answer.body['code'], answer.headers.get('cache-control')]).toEqual([404, 'avatar_not_found', 'no-store']); // prettier-ignore
      }
    }
    const { headers } = await get(t, `/api/users/${user.id}/avatar`);
    expect(headers.get('content-type')).toBe('image/png');
    const { body: other } = await t.request('GET', `/api/users/${user.id}`, { token: moderator });
    expect(other['avatar_url']).toBe(`/api/users/${user.id}/avatar`);
  });

  it('replaces the one that waits', async () => {
    const user = await t.user();
    const first = (await upload(t, user, await another())).body;
    const second = (await upload(t, user, await another())).body;
    expect((await queue('?limit=100')).filter((item) => item.user.id === user.id).map(({ id }) => id)).toEqual([
      second['id'],
    ]);
    expect((await get(t, first['urls']['64'] as string, user.token)).status).toBe(404);
    expect((await decide(first['id'] as string, 'approve')).body).toMatchObject({
      status: 409,
      code: 'avatar_not_pending',
    });
    expect(await mine(user.token)).toMatchObject({ shown: null, pending: { id: second['id'] }, rejected: null });
  });

  it('turns upright, takes the middle, and leaves the metadata behind', async () => {
    const [w, h] = [300, 100]; // stored lying; upright it is 100 × 300: red, green, blue from the top
    const bands = ['#00f', '#0f0', '#f00'].map((background, i) => ({
      input: { create: { width: 100, height: h, channels: 3 as const, background } },
      left: i * 100,
      top: 0,
    }));
    const lying = sharp({ create: { width: w, height: h, channels: 3, background: '#fff' } }).composite(bands);
    const gps = { IFD0: { Make: 'Secret Camera' }, IFD3: { GPSLatitude: '35/1 41/1 22/1', GPSLatitudeRef: 'N' } };
    const bytes = await lying.withExif(gps).withMetadata({ orientation: 8 }).withIccProfile('p3').jpeg({ quality: 95 }).toBuffer(); // prettier-ignore
    const { orientation, exif, icc } = await sharp(bytes).metadata();
    expect([orientation, Boolean(exif?.includes('Secret Camera')), Boolean(icc)]).toEqual([8, true, true]);
    const user = await t.user();
    const { body } = await upload(t, user, bytes);
    const { bytes: made } = await get(t, body['urls']['64'] as string, user.token);
    const metadata = await sharp(made).metadata();
    for (const key of ['exif', 'icc', 'xmp', 'iptc', 'orientation'] as const)
      expect([key, metadata[key]]).toEqual([key, undefined]);
    expect(made.includes('Secret')).toBe(false);
    const { data } = await sharp(made).raw().toBuffer({ resolveWithObject: true });
    const [r, g, b] = data.subarray((32 * 64 + 32) * 3);
    expect([g! > 150, r! < 100, b! < 100]).toEqual([true, true, true]);
    const row = (y: number): string =>
      [...data.subarray(y * 192 + 30, y * 192 + 33)].map((c) => Math.round(c / 255)).join('');
    expect(new Set([8, 24, 40, 56].map(row))).toEqual(new Set(['010'])); // the middle square is all green
  });

  it('takes nothing but the one file of a form', async () => {
    const user = await t.user();
    const bytes = await another();
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
    expect((await t.request('PUT', '/api/users/me/avatar', { token: user.token })).body).toMatchObject({ status: 400, code: 'no_file' }); // prettier-ignore
    expect((await t.request('PUT', '/api/users/me/avatar', { token: user.token, body: {} })).body).toMatchObject({ status: 415, code: 'form_expected' }); // prettier-ignore
    expect(await mine(user.token)).toMatchObject({ pending: null });
  });

  it('lets forms through on its own routes alone, and there to signed-in users alone', async () => {
    const { token } = await t.user();
    for (const [method, path] of [
      ['POST', '/api/users'],
      ['POST', '/api/sessions'],
      ['PATCH', `/api/users/${randomUUID()}`],
      ['PUT', '/api/users/me/password'],
      ['DELETE', '/api/users/me'],
    ] as const) {
      const { status, body } = await call(t, method, path, token, { body: formOf(await another()) });
      expect([path, status, body['code']]).toEqual([path, 415, 'unsupported_media_type']);
    }
    for (const [method, path] of [
      ['POST', '/api/users/me/avatar'],
      ['PATCH', '/api/users/me/form'],
      ['PUT', '/api/nothing'],
    ] as const) {
      const { status, body } = await call(t, method, path, token, { body: formOf(await another()) });
      expect([path, status, body['code']]).toEqual([path, 404, 'route_not_found']);
    }
    for (const path of ['/api/users/me/avatar/', '/api/USERS/me/avatar']) {
      const { status } = await call(t, 'PUT', path, token, { body: formOf(await another()) });
      expect([path, status]).toEqual([path, 202]);
    }
    for (const path of ['/api/users/me/', '/api/users/ME']) {
      const { status } = await call(t, 'PATCH', path, token, { body: formOf(await another()) });
      expect([path, status]).toEqual([path, 200]);
    }
    for (const [method, path] of [
      ['PUT', '/api/users/me/avatar'],
      ['PATCH', '/api/users/me'],
    ] as const) {
      const { status, body } = await call(t, method, path, undefined, { body: formOf(await another()) });
      expect([status, body['code']]).toEqual([401, 'token_required']);
    }
  });
});

describe('moderation', () => {
  it('shows the queue, oldest first, by pages', async () => {
    const own = await startApp();
    const token = (await own.user('moderate_avatars')).token;
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push((await upload(own, await own.user(), await another())).body['id'] as string);
    const page = async (query: string) => (await own.request('GET', `/api/moderation/avatars${query}`, { token })).body;
    const first = await page('?state=pending&limit=2');
    expect(first['items'].map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 2));
    expect(first['items'][0]).toMatchObject({ state: 'pending', is_shown: false, resembles_rejected: false, user: { username: 'user2' } }); // prettier-ignore
    const second = await page(`?limit=2&cursor=${first['next_cursor']}`);
    expect([second['items'].map(({ id }: { id: string }) => id), second['next_cursor']]).toEqual([ids.slice(2), null]);
    expect((await page('?state=approved'))['items']).toEqual([]);
    expect((await page('?state=withdrawn'))['code']).toBe('validation_failed');
    await own.stop();
  });

  it('approves: everybody sees it, at an address that is good for ever', async () => {
    const user = await t.user();
    const { body } = await upload(t, user, await another());
    const id = body['id'] as string;
    const approved = await decide(id, 'approve');
    expect([approved.status, approved.body['state'], approved.body['is_shown']]).toEqual([200, 'approved', true]);
    const { status, headers, bytes } = await get(t, body['urls']['256'] as string);
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
    expect(await mine(user.token)).toMatchObject({ avatar_url: body['urls']['256'], shown: { id, is_shown: true }, pending: null }); // prettier-ignore
    expect((await decide(id, 'approve')).body['code']).toBe('avatar_not_pending');
    expect((await decide(id, 'reject', { reason: 'late' })).body['code']).toBe('avatar_not_pending');
  });

  it('rejects: the owner reads why, the approved one stays', async () => {
    const user = await t.user();
    const first = await shown(t, user, moderator, ++seed);
    const { body } = await upload(t, user, await another());
    for (const reason of [undefined, '', ' ', 'x'.repeat(501), 'two\nlines', 7]) {
      expect((await decide(body['id'] as string, 'reject', { reason })).status).toBe(422);
    }
    const { status } = await decide(body['id'] as string, 'reject', { reason: 'Shows somebody else.' });
    expect(status).toBe(200);
    expect(await mine(user.token)).toMatchObject({
      avatar_url: first['urls']['256'],
      shown: { id: first['id'] },
      pending: null,
      rejected: { id: body['id'], state: 'rejected', reason: 'Shows somebody else.', urls: null },
    });
    expect((await get(t, first['urls']['64'] as string)).status).toBe(200);
    for (const token of [user.token, moderator, undefined]) {
      expect((await get(t, body['urls']['64'] as string, token)).status).toBe(404);
    }
    const { body: third } = await upload(t, user, await another());
    const later = await decide(third['id'] as string, 'reject', { reason: 'Nor this.' });
    const { id: moderatorId } = (await t.request('GET', '/api/users/me', { token: moderator })).body;
    expect(later.body).toMatchObject({ state: 'rejected', is_shown: false, decided_by: moderatorId });
    expect(await mine(user.token)).toMatchObject({ rejected: { id: third['id'], reason: 'Nor this.' } });
  });

  it('knows no upload that does not exist', async () => {
    for (const how of ['approve', 'reject'] as const) {
      expect((await decide(randomUUID(), how, { reason: 'x' })).body).toMatchObject({ status: 404, code: 'avatar_not_found' }); // prettier-ignore
    }
    expect((await takeDown(randomUUID(), { reason: 'x' })).body).toMatchObject({ status: 404, code: 'user_not_found' });
    expect((await takeDown((await t.user()).id, { reason: 'x' })).body).toMatchObject({ status: 404, code: 'avatar_not_found' }); // prettier-ignore
  });

  it('takes down what is shown and what waits, and locks for so many days, to the millisecond', async () => {
    const now = Date.now();
    t.clock.set(now);
    const user = await t.user();
    const first = await shown(t, user, moderator, ++seed);
    const second = (await upload(t, user, await another())).body;
    for (const lock_days of [-1, 1.5, 3651, '7'])
      expect((await takeDown(user.id, { reason: 'x', lock_days })).status).toBe(422);
    expect((await takeDown(user.id, { reason: 'Rude.', lock_days: 7 })).status).toBe(204);
    const locked_until = new Date(now + 7 * DAY).toISOString();
    const drawn = `/api/users/${user.id}/avatar`;
    expect(await mine(user.token)).toMatchObject({ avatar_url: drawn, shown: null, pending: null, rejected: { reason: 'Rude.' }, locked_until }); // prettier-ignore
    const { body: rejected } = await t.request('GET', '/api/moderation/avatars?state=rejected&limit=100', { token: moderator }); // prettier-ignore
    const { id: moderatorId } = (await t.request('GET', '/api/users/me', { token: moderator })).body;
    const ofUser = (rejected['items'] as { user: { id: string }; decided_by: string }[]).filter((one) => one.user.id === user.id); // prettier-ignore
    expect(ofUser.map((one) => one.decided_by)).toEqual([moderatorId, moderatorId]);
    for (const { urls } of [first, second]) expect((await get(t, urls['64'] as string, moderator)).status).toBe(404);
    t.clock.set(now + 7 * DAY - 1);
    user.token = await t.signIn(user.username, user.password);
    const refused = await upload(t, user, await another());
    expect(refused.body).toMatchObject({ status: 403, code: 'avatar_locked', locked_until });
    expect((await upload(t, user, Buffer.from('junk'))).body['code']).toBe('avatar_locked'); // nothing is decoded for them
    const form = await call(t, 'PATCH', '/api/users/me', user.token, { body: formOf(await another()) });
    expect(form.body['code']).toBe('avatar_locked');
    t.clock.set(now + 7 * DAY);
    expect((await upload(t, user, await another())).status).toBe(202);
    t.clock.set(now);
  });

  it('marks a rejected picture that comes again, from anybody, rescaled and encoded anew', async () => {
    const original = scene(900, 400);
    const { body } = await upload(t, await t.user(), await original.jpeg({ quality: 92 }).toBuffer());
    await decide(body['id'] as string, 'reject', { reason: 'No.' });
    for (const again of [
      original.jpeg({ quality: 92 }),
      original.resize(150).jpeg({ quality: 40 }),
      original.resize(700).png(),
      original.resize(90).webp({ quality: 50 }),
      original.avif(),
    ]) {
      const user = await t.user();
      const { body: upload_ } = await upload(t, user, await again.toBuffer());
      const item = (await queue('?limit=100')).find(({ id }) => id === upload_['id']);
      expect(item).toMatchObject({ resembles_rejected: true });
      await t.request('DELETE', '/api/users/me/avatar', { token: user.token });
    }
    const { body: other } = await upload(t, await t.user(), await scene(901, 400).jpeg().toBuffer());
    expect((await queue('?limit=100')).find(({ id }) => id === other['id'])).toMatchObject({
      resembles_rejected: false,
    });
  });

  it('takes no plain or simple picture for another, and each of them for itself', async () => {
    const own = await startApp();
    const user = await own.user('moderate_avatars');
    const { token } = user;
    const drawn = (shape: string) => sharp(Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"><linearGradient id="g"><stop offset="0" stop-color="#fff"/><stop offset="1" stop-color="#000"/></linearGradient>${shape}</svg>`)).flatten({ background: '#4a8' }); // prettier-ignore
    const plain = (fill: string) => drawn(`<rect width="300" height="300" fill="${fill}"/>`);
    const letter = (text: string) => drawn(`<text x="90" y="210" font-size="180" fill="#fff">${text}</text>`);
    const circle = drawn('<circle cx="150" cy="150" r="60" fill="#c00"/>');
    const all = [...['#fff', '#000', '#888', '#c00', '#00c', 'url(#g)'].map(plain), letter('A'), letter('B'), circle, scene(901), scene(902)]; // prettier-ignore
    const isMarked = async (picture: Sharp) => {
      const { body } = await upload(own, user, await picture.toBuffer());
      const path = `/api/moderation/avatars/${body['id']}/reject`;
      return (await own.request('POST', path, { token, body: { reason: 'No.' } })).body[
        'resembles_rejected'
      ] as boolean;
    };
    for (const [i, one] of all.entries()) expect([i, await isMarked(one.clone().png())]).toEqual([i, false]);
    for (const [i, one] of all.entries()) expect([i, await isMarked(one.clone().resize(200).jpeg({ quality: 50 }))]).toEqual([i, true]); // prettier-ignore
    await own.stop();
  });

  it('is written down, each step with its doer', async () => {
    const user = await t.user();
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push((await upload(t, user, await another())).body['id'] as string);
    await decide(ids[2]!, 'approve');
    ids.push((await upload(t, user, await another())).body['id'] as string);
    await decide(ids[3]!, 'reject', { reason: 'No.' });
    await takeDown(user.id, { reason: 'Rude.' });
    ids.push((await upload(t, user, await another())).body['id'] as string);
    await t.request('DELETE', '/api/users/me/avatar', { token: user.token });
    await t.request('DELETE', '/api/users/me/avatar', { token: user.token }); // nothing left: nothing happens
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
});

describe('delivery', () => {
  it('leads from the user to the version of today', async () => {
    const user = await t.user();
    const first = await shown(t, user, moderator, ++seed);
    const at = async (query = '') => (await get(t, `/api/users/${user.id}/avatar${query}`)).headers.get('location');
    expect(await at()).toBe(first['urls']['256']);
    for (const [s, size] of [['1', '64'], ['64', '64'], ['65', '128'], ['200', '256'], ['512', '512']] as const) expect(await at(`?s=${s}`)).toBe(first['urls'][size]); // prettier-ignore
    const { status, headers } = await get(t, `/api/users/${user.id}/avatar?d=404`);
    expect([status, headers.get('cache-control'), headers.get('cross-origin-resource-policy')]).toEqual([302, 'no-cache', 'cross-origin']); // prettier-ignore
    const second = await shown(t, user, moderator, ++seed);
    expect(await at()).toBe(second['urls']['256']);
    expect((await get(t, first['urls']['64'] as string)).status).toBe(404);
    for (const query of ['?s=0', '?s=513', '?s=1e2', '?s=64&s=65', '?d=monster', '?x=1']) {
      expect((await get(t, `/api/users/${user.id}/avatar${query}`)).body['code']).toBe('validation_failed');
    }
  });

  it('answers conditions, ranges and HEAD', async () => {
    const user = await t.user();
    const { urls, id } = await shown(t, user, moderator, ++seed);
    const url = urls['512'] as string;
    const whole = (await get(t, url)).bytes;
    const etag = `"${id}-512"`;
    for (const value of [etag, `"other", ${etag}`, `W/${etag}`, '*']) {
      const { status, bytes, headers } = await get(t, url, undefined, { 'if-none-match': value });
      expect([status, bytes.length, headers.get('etag')]).toEqual([304, 0, etag]);
      expect(headers.get('cache-control')).toContain('immutable');
    }
    expect((await get(t, url, undefined, { 'if-none-match': '"other"' })).status).toBe(200);
    for (const [range, start, end] of [
      ['bytes=0-0', 0, 0],
      ['bytes=10-19', 10, 19],
      ['bytes=-5', whole.length - 5, whole.length - 1],
      ['bytes=100-', 100, whole.length - 1],
      ['bytes=0-99999999', 0, whole.length - 1],
    ] as const) {
      const answer = await get(t, url, undefined, { range });
      expect([answer.status, answer.headers.get('content-range')]).toEqual([
        206,
        `bytes ${start}-${end}/${whole.length}`,
      ]);
      expect(answer.bytes.equals(whole.subarray(start, end + 1))).toBe(true);
    }
    const beyond = await get(t, url, undefined, { range: `bytes=${whole.length}-` });
    expect([beyond.status, beyond.body['code'], beyond.headers.get('content-range')]).toEqual([416, 'range_not_satisfiable', `bytes */${whole.length}`]); // prettier-ignore
    for (const headers of [
      { range: 'bytes=0-1,5-6' },
      { range: 'lines=1-2' },
      { range: 'bytes=0-1', 'if-range': '"other"' },
    ]) {
      const answer = await get(t, url, undefined, headers as Record<string, string>);
      expect([answer.status, answer.bytes.length]).toEqual([200, whole.length]);
    }
    expect((await get(t, url, undefined, { range: 'bytes=0-1', 'if-range': etag })).status).toBe(206);
    const head = await call(t, 'HEAD', url, undefined, { headers: { range: 'bytes=0-1' } }); // ranges are for GET
    expect([head.status, head.headers.get('content-length'), head.bytes.length]).toEqual([
      200,
      String(whole.length),
      0,
    ]);
  });

  it('takes an id in capitals for the same', async () => {
    const user = await t.user();
    const path = (id: string) => `/api/users/${id}/avatar`;
    const drawn = (await get(t, path(user.id))).bytes;
    expect((await get(t, path(user.id.toUpperCase()))).bytes.equals(drawn)).toBe(true);
    const { id, urls } = await shown(t, user, moderator, ++seed);
    const answer = await get(t, `/api/avatars/${id.toUpperCase()}/64.webp`);
    expect([answer.status, answer.headers.get('etag')]).toEqual([200, `"${id}-64"`]);
    expect(answer.bytes.equals((await get(t, urls['64'] as string)).bytes)).toBe(true);
  });

  it.each(['63.webp', '1024.webp', '64.png', '064.webp', '64', '../64.webp', '64.webp.webp'])(
    'has nothing at %s',
    async (name) => {
      const user = await t.user();
      const { id } = await shown(t, user, moderator, ++seed);
      expect((await get(t, `/api/avatars/${id}/${name}`)).status).toBe(404);
    },
  );

  it('draws those who have none: always the same, each another, of any size', async () => {
    const user = await t.user();
    const path = `/api/users/${user.id}/avatar`;
    const { status, headers, bytes } = await get(t, path);
    expect([status, headers.get('content-type'), headers.get('content-security-policy')]).toEqual([200, 'image/png', "default-src 'none'; sandbox"]); // prettier-ignore
    expect(bytes.equals((await get(t, path)).bytes)).toBe(true);
    expect((await get(t, path, undefined, { 'if-none-match': headers.get('etag')! })).status).toBe(304);
    for (const size of [64, 512]) {
      const { width, height, format } = await sharp((await get(t, `${path}?s=${size}`)).bytes).metadata();
      expect([width, height, format]).toEqual([size, size, 'png']);
    }
    expect((await get(t, `${path}?d=404`)).body).toMatchObject({ status: 404, code: 'avatar_not_found' });
    const tags = [64, 512].map(async (size) => (await get(t, `${path}?s=${size}`)).headers.get('etag'));
    expect(new Set(await Promise.all(tags)).size).toBe(2);
    const gone = randomUUID();
    const stranger = await get(t, `/api/users/${gone}/avatar`); // looks like anybody
    expect([stranger.status, stranger.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect((await get(t, `/api/users/${gone}/avatar`)).bytes.equals(bytes)).toBe(false);
    expect((await get(t, `/api/users/${gone}/avatar?d=404`)).body['code']).toBe('avatar_not_found');
  });

  it('hides the avatar of the deactivated', async () => {
    const user = await t.user();
    const { urls } = await shown(t, user, moderator, ++seed);
    await t.request('PATCH', `/api/users/${user.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    expect((await get(t, urls['64'] as string)).status).toBe(404);
    expect((await get(t, `/api/users/${user.id}/avatar`)).headers.get('content-type')).toBe('image/png');
  });

  it('stands in every representation of a user', async () => {
    const user = await t.user('upload_chapters');
    const { urls } = await shown(t, user, moderator, ++seed);
    const admin = await t.asAdmin();
    const at = async (path: string, token: string) => (await t.request('GET', path, { token })).body;
    const url = urls['256'];
    const me = await at('/api/users/me', user.token);
    expect(me['avatar_url']).toBe(url);
    expect((await at(`/api/users/${user.id}`, admin))['avatar_url']).toBe(url);
    expect((await at(`/api/users/${user.id}`, moderator))['avatar_url']).toBe(url);
    expect((await at(`/api/users?q=${user.username}`, moderator))['items'][0].avatar_url).toBe(url);
    expect((await at(`/api/groups/${me['groups'][0].id}/members`, admin))['items'][0].avatar_url).toBe(url);
    const signedIn = await t.request('POST', '/api/sessions', {
      body: { login: user.username, password: user.password },
    });
    expect(signedIn.body['user'].avatar_url).toBe(url);
    await t.request('DELETE', '/api/users/me/avatar', { token: user.token });
    expect((await at('/api/users/me', user.token))['avatar_url']).toBe(`/api/users/${user.id}/avatar`);
    expect((await get(t, urls['64'] as string, user.token)).status).toBe(404);
  });
});

describe('the form of the anime site', () => {
  const patch = (token: string, body: FormData) => call(t, 'PATCH', '/api/users/me', token, { body });

  it('takes fields and a file, and answers the user', async () => {
    const user = await t.user();
    const form = formOf(await another());
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
    expect((await t.request('PATCH', '/api/users/me', { token: user.token, body: { address: 'Kyoto' } })).body['address']).toBe('Kyoto'); // prettier-ignore
  });

  it('refuses a field or a file, and then changes nothing', async () => {
    const user = await t.user();
    const bad = formOf(await another());
    bad.set('is_active', 'false');
    expect((await patch(user.token, bad)).body).toMatchObject({ status: 422, code: 'validation_failed' });
    const proto = formOf(await another());
    proto.set('constructor', 'x');
    expect((await patch(user.token, proto)).body).toMatchObject({ status: 422, code: 'validation_failed' });
    const svg = formOf(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), { name: 'a.png', type: 'image/png' });
    svg.set('fullname', 'Changed');
    expect((await patch(user.token, svg)).body).toMatchObject({ status: 415, code: 'unsupported_picture' });
    const misnamed = formOf(await another(), { field: 'picture' });
    expect((await patch(user.token, misnamed)).body).toMatchObject({ status: 400, code: 'no_file' });
    const unproven = formOf(await another());
    unproven.set('email', 'other@example.org');
    unproven.set('current_password', 'a wrong one');
    expect((await patch(user.token, unproven)).body['code']).toBe('wrong_password');
    const taken = formOf(await another());
    taken.set('username', (await t.user()).username);
    expect((await patch(user.token, taken)).body['code']).toBe('username_taken');
    expect(await mine(user.token)).toMatchObject({ pending: null });
    expect((await t.request('GET', '/api/users/me', { token: user.token })).body['fullname']).not.toBe('Changed');
  });
});

describe.each(['post', 'off'] as const)('with AVATAR_MODERATION=%s', (mode) => {
  let own: TestApp;
  let token: string;
  beforeAll(async () => {
    own = await startApp({ env: { AVATAR_MODERATION: mode } });
    token = (await own.user('moderate_avatars')).token;
  });
  afterAll(() => own.stop());
  const waiting = async () =>
    (await own.request('GET', '/api/moderation/avatars', { token })).body['items'] as { id: string }[];

  it('everybody sees it at once', async () => {
    const user = await own.user();
    const { status, body } = await upload(own, user, await another());
    expect([status, body['is_shown'], body['state']]).toEqual([201, true, mode === 'off' ? 'approved' : 'pending']);
    expect((await get(own, body['urls']['64'] as string)).headers.get('cache-control')).toContain('public');
    expect((await waiting()).some(({ id }) => id === body['id'])).toBe(mode === 'post');
  });

  it('a rejected picture that comes again waits, and what was shown is shown on', async () => {
    const rude = await file(950);
    const one = await own.user();
    const { body } = await upload(own, one, rude);
    await own.request('DELETE', `/api/moderation/users/${one.id}/avatar`, { token, body: { reason: 'Rude.' } });
    expect((await get(own, body['urls']['64'] as string)).status).toBe(404);
    const two = await own.user();
    const nice = (await upload(own, two, await another())).body;
    await own.request('POST', `/api/moderation/avatars/${nice['id']}/approve`, { token }); // post: now it is settled
    const again = await upload(own, two, rude);
    expect([again.status, again.body['state'], again.body['is_shown']]).toEqual([202, 'pending', false]);
    expect((await waiting()).find(({ id }) => id === again.body['id'])).toMatchObject({ resembles_rejected: true });
    expect((await get(own, again.body['urls']['64'] as string)).status).toBe(404);
    expect((await own.request('GET', '/api/users/me', { token: two.token })).body['avatar_url']).toBe(
      nice['urls']['256'],
    );
  });

  it.runIf(mode === 'post')('one that is rejected gives way to the approved one of before', async () => {
    const user = await own.user();
    const first = await shown(own, user, token, ++seed);
    const second = (await upload(own, user, await another())).body;
    const at = async () =>
      (await own.request('GET', '/api/users/me', { token: user.token })).body['avatar_url'] as string;
    expect(await at()).toBe(second['urls']['256']);
    await own.request('POST', `/api/moderation/avatars/${second['id']}/reject`, { token, body: { reason: 'No.' } });
    expect(await at()).toBe(first['urls']['256']);
    expect((await get(own, first['urls']['64'] as string)).status).toBe(200);
    expect((await get(own, second['urls']['64'] as string)).status).toBe(404);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { get, imageFile, upload, uploadApproved } from '../support/files/images.js';

let seed = 500;
const nextImage = (): Promise<Buffer> => imageFile(++seed);

describe.each(['post', 'off'] as const)('with AVATAR_MODERATION=%s', (mode) => {
  let own: TestApp;
  let token: string;
  beforeAll(async () => {
    own = await startApp({ env: { AVATAR_MODERATION: mode } });
    token = (await own.user('moderate_avatars')).token;
  });
  afterAll(() => own.stop());
  const pending = async () =>
    (await own.request('GET', '/api/moderation/avatars', { token })).body['items'] as { id: string }[];

  it('shows an upload to everyone at once', async () => {
    const user = await own.user();
    const { status, body } = await upload(own, user, await nextImage());
    expect([status, body['is_shown'], body['state']]).toEqual([201, true, mode === 'off' ? 'approved' : 'pending']);
    expect((await get(own, body['urls']['64'])).headers.get('cache-control')).toContain('public');
    expect((await pending()).some(({ id }) => id === body['id'])).toBe(mode === 'post');
  });

  it('holds back an upload that resembles a rejected image, and keeps the avatar that was shown', async () => {
    const rejected = await imageFile(950);
    const one = await own.user();
    const { body } = await upload(own, one, rejected);
    await own.request('DELETE', `/api/moderation/users/${one.id}/avatar`, { token, body: { reason: 'Rude.' } });
    expect((await get(own, body['urls']['64'])).status).toBe(404);
    const two = await own.user();
    const accepted = (await upload(own, two, await nextImage())).body;
    await own.request('POST', `/api/moderation/avatars/${accepted['id']}/approve`, { token }); // no longer pending in mode post
    const again = await upload(own, two, rejected);
    expect([again.status, again.body['state'], again.body['is_shown']]).toEqual([202, 'pending', false]);
    expect((await pending()).find(({ id }) => id === again.body['id'])).toMatchObject({ resembles_rejected: true });
    expect((await get(own, again.body['urls']['64'])).status).toBe(404);
    expect((await own.request('GET', '/api/users/me', { token: two.token })).body['avatar_url']).toBe(
      accepted['urls']['256'],
    );
  });

  it.runIf(mode === 'post')('shows the previously approved avatar again after the newer one is rejected', async () => {
    const user = await own.user();
    const first = await uploadApproved(own, user, token, ++seed);
    const second = (await upload(own, user, await nextImage())).body;
    const at = async () => (await own.request('GET', '/api/users/me', { token: user.token })).body['avatar_url'];
    expect(await at()).toBe(second['urls']['256']);
    await own.request('POST', `/api/moderation/avatars/${second['id']}/reject`, { token, body: { reason: 'No.' } });
    expect(await at()).toBe(first['urls']['256']);
    expect((await get(own, first['urls']['64'])).status).toBe(200);
    expect((await get(own, second['urls']['64'])).status).toBe(404);
  });
});

import type { Socket } from 'node:net';
import { beforeAll, expect, it } from 'vitest';
import { type SignedInUser, startApp } from '../support/app.js';
import { call, canUpload, formOf, get, imageFile, startUpload, upload } from '../support/images.js';

let image: Buffer;
beforeAll(async () => {
  image = await imageFile(1);
});

it('the server answers 429 beyond 32 concurrent uploads, and beyond 4 of one user', async () => {
  const t = await startApp();
  const users = await Promise.all(Array.from({ length: 9 }, () => t.user()));
  const sockets: Socket[] = [];
  const later = { status: 429, code: 'too_many_uploads' };
  const tries = async (user: SignedInUser) => {
    const { body, headers } = await upload(t, user, image);
    return { status: 202, ...body, retry: headers.get('retry-after') };
  };
  for (let i = 0; i < 4; i++) sockets.push(await startUpload(t, users[0]!.token));
  await expect.poll(() => canUpload(t, users[0]!)).toBe(false);
  expect(await tries(users[0]!)).toMatchObject(later);
  const form = await call(t, 'PATCH', '/api/users/me', users[0]!.token, { body: formOf(image) });
  expect(form.body).toMatchObject(later); // both routes share the limit
  expect(await tries(users[1]!)).toMatchObject({ state: 'pending' });
  for (const user of users.slice(1, 8)) for (let i = 0; i < 4; i++) sockets.push(await startUpload(t, user.token));
  await expect.poll(() => canUpload(t, users[8]!)).toBe(false);
  expect(await tries(users[8]!)).toMatchObject({ ...later, retry: '2' });
  expect((await get(t, `/api/users/${users[0]!.id}/avatar`)).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => tries(users[8]!)).toMatchObject({ state: 'pending' });
  await t.stop();
});

import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { scene, upload } from '../support/files/images.js';

let t: TestApp;
let moderator: string;
beforeAll(async () => {
  t = await startApp();
  moderator = (await t.user('moderate_avatars')).token;
});
afterAll(() => t.stop());

const decide = (id: string, decision: 'approve' | 'reject', body?: object, token = moderator) =>
  t.request('POST', `/api/moderation/avatars/${id}/${decision}`, { token, body });
const queue = async (query = '') =>
  (await t.request('GET', `/api/moderation/avatars${query}`, { token: moderator })).body['items'] as {
    id: string;
    user: { id: string };
  }[];

it('an upload is marked when it resembles a rejected image, even rescaled or re-encoded', async () => {
  const original = scene(900, 400);
  const { body } = await upload(t, await t.user(), await original.jpeg({ quality: 92 }).toBuffer());
  await decide(body['id'], 'reject', { reason: 'No.' });
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

it('the perceptual hash distinguishes plain and simple images, and recognises each of them after rescaling', async () => {
  const own = await startApp();
  const user = await own.user('moderate_avatars');
  const { token } = user;
  const drawn = (shape: string) =>
    sharp(
      Buffer.from(
        `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"><linearGradient id="g"><stop offset="0" stop-color="#fff"/><stop offset="1" stop-color="#000"/></linearGradient>${shape}</svg>`,
      ),
    ).flatten({ background: '#4a8' });
  const plain = (fill: string) => drawn(`<rect width="300" height="300" fill="${fill}"/>`);
  const letter = (text: string) => drawn(`<text x="90" y="210" font-size="180" fill="#fff">${text}</text>`);
  const circle = drawn('<circle cx="150" cy="150" r="60" fill="#c00"/>');
  const all = [
    ...['#fff', '#000', '#888', '#c00', '#00c', 'url(#g)'].map(plain),
    letter('A'),
    letter('B'),
    circle,
    scene(901),
    scene(902),
  ];
  const isMarked = async (image: Sharp) => {
    const { body } = await upload(own, user, await image.toBuffer());
    const path = `/api/moderation/avatars/${body['id']}/reject`;
    return (await own.request('POST', path, { token, body: { reason: 'No.' } })).body['resembles_rejected'] as boolean;
  };
  for (const [i, one] of all.entries()) expect([i, await isMarked(one.clone().png())]).toEqual([i, false]);
  for (const [i, one] of all.entries())
    expect([i, await isMarked(one.clone().resize(200).jpeg({ quality: 50 }))]).toEqual([i, true]);
  await own.stop();
});

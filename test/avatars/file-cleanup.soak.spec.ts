import { mkdirSync, readdirSync, rmdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Storage } from '../../src/storage/storage.js';
import { AvatarFilesWorker } from '../../src/avatars/avatar-files.worker.js';
import { startApp, type TestApp } from '../support/app.js';
import { avatarFilesIn, call, imageFile, upload } from '../support/files/images.js';

const HOUR_MS = 3_600_000;
let image: Buffer;
beforeAll(async () => {
  image = await imageFile(1);
});

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());
const storedFiles = () => avatarFilesIn(t.config.STORAGE_DIR);

it('an upload of a user who is deleted meanwhile gets 404 and leaves no files', async () => {
  const token = await t.signIn('admin', 'quiet lantern forty');
  const user = await t.user();
  const start = storedFiles().length;
  const runner = t.dataSource.createQueryRunner();
  await runner.startTransaction();
  await runner.query('delete from users where id = $1', [user.id]);
  const late = upload(t, user, image);
  await expect.poll(() => storedFiles().length).toBe(start + 4);
  await runner.commitTransaction();
  await runner.release();
  expect((await late).body).toMatchObject({ status: 404, code: 'user_not_found' });
  expect(storedFiles()).toHaveLength(start);
  expect((await t.request('GET', '/api/users', { token })).status).toBe(200);
});

it('files that cannot be deleted do not block the deletion of others', async () => {
  const users = [await t.user(), await t.user()];
  const ids: string[] = [];
  for (const user of users) ids.push((await upload(t, user, image)).body['id']);
  const stuck = join(t.config.STORAGE_DIR, 'avatars', ids[0]!.slice(-2), `${ids[0]}-64.webp`);
  rmSync(stuck);
  mkdirSync(stuck);
  for (const user of users) expect((await call(t, 'DELETE', '/api/users/me/avatar', user.token)).status).toBe(204);
  await expect.poll(() => storedFiles().filter((name) => name.includes(ids[1]!))).toEqual([]);
  rmdirSync(stuck);
  await expect.poll(() => storedFiles().filter((name) => name.includes(ids[0]!))).toEqual([]);
});

it('the sweep deletes only old files of avatars without a row, and week-old withdrawn avatars', async () => {
  const start = storedFiles();
  const folder = join(t.config.STORAGE_DIR, 'avatars/4f');
  const [old, young, foreign] = [
    '0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b4f-64.webp',
    '0199c2a4-8c33-7e01-a5d4-5f6e7d8c9c4f-64.webp',
    'readme.webp',
  ];
  const store = (key: string): Promise<void> =>
    t.app.get(Storage).put(key, image, { size: image.length, type: 'image/webp', cache_control: 'no-store' });
  await store(`avatars/4f/${old}`);
  for (const name of [young, foreign]) writeFileSync(join(folder, name), 'x');
  const user = await t.user();
  const withdrawn = (await upload(t, user, image)).body['id'];
  expect((await call(t, 'DELETE', '/api/users/me/avatar', user.token)).status).toBe(204);
  await expect.poll(() => storedFiles().filter((name) => name.includes(withdrawn))).toEqual([]);
  await store(`avatars/${withdrawn.slice(-2)}/${withdrawn}-64.webp`); // its row is still there
  t.clock.set(Date.now());
  const past = new Date(Date.now() - 2 * HOUR_MS);
  for (const name of [old, foreign]) utimesSync(join(folder, name), past, past);
  utimesSync(join(t.config.STORAGE_DIR, 'avatars', withdrawn.slice(-2), `${withdrawn}-64.webp`), past, past);
  const others = ['.unfinished', 'probe'].map((name) => join(t.config.STORAGE_DIR, name));
  for (const place of others) {
    for (const name of ['old', 'young']) writeFileSync(join(place, name), 'x');
    utimesSync(join(place, 'old'), past, past);
  }
  await t.app.get(AvatarFilesWorker).sweep();
  expect(storedFiles().toSorted()).toEqual([...start, `avatars/4f/${young}`, `avatars/4f/${foreign}`].toSorted());
  for (const place of others) expect(readdirSync(place)).toEqual(['young']);
  const rows = () => t.dataSource.query<unknown[]>('select from avatars where id = $1', [withdrawn]);
  t.clock.advance(6 * 24 * HOUR_MS);
  await t.app.get(AvatarFilesWorker).sweep();
  expect(await rows()).toHaveLength(1); // a late decision is answered with avatar_not_pending
  t.clock.advance(25 * HOUR_MS);
  await t.app.get(AvatarFilesWorker).sweep();
  expect(await rows()).toEqual([]);
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { AvatarFilesWorker } from '../../src/avatars/avatar-files.worker.js';
import { startApp, type TestApp } from '../support/app.js';
import { avatarFilesIn, get, imageFile, upload } from '../support/files/images.js';
import { launch, whenServing } from '../support/servers/machi-process.js';

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

it('kill -9 between storing files and inserting the row loses no avatar, and the sweep deletes the orphaned files', async () => {
  const { connection: db, config } = t;
  const machi = await whenServing(
    launch({
      NODE_ENV: 'test',
      SECRET_KEY: config.SECRET_KEY,
      STORAGE_DIR: config.STORAGE_DIR,
      DB_HOST: db.host,
      DB_PORT: String(db.port),
      DB_NAME: db.database,
      DB_USER: db.user,
      ...(db.password === undefined ? {} : { DB_PASSWORD: db.password }),
    }),
  );
  const user = await t.user();
  const { body: before } = await upload(t, user, await imageFile(3));
  const lock = t.dataSource.createQueryRunner();
  await lock.startTransaction();
  await lock.query('select from users where id = $1 for update', [user.id]); // blocks the insertion of the row
  const dying = upload({ ...t, url: machi.url }, user, image).catch(() => 'aborted');
  await expect.poll(() => storedFiles().length).toBe(8);
  await machi.kill('SIGKILL');
  expect(await dying).toBe('aborted');
  await lock.rollbackTransaction();
  await lock.release();

  expect((await get(t, '/api/users/me/avatar', user.token)).body['pending']).toMatchObject({ id: before['id'] });
  expect((await get(t, before['urls']['512'], user.token)).status).toBe(200);
  const worker = t.app.get(AvatarFilesWorker);
  await worker.sweep();
  expect(storedFiles()).toHaveLength(8); // too young: they may still get a row
  t.clock.advance(HOUR_MS + 1000);
  await worker.sweep();
  expect(storedFiles()).toHaveLength(4);
  expect(storedFiles().every((name) => name.includes(before['id']))).toBe(true);
});

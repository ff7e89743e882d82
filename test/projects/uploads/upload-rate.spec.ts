import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Storage } from '../../../src/storage/storage.js';
import { startApp, type TestApp } from '../../support/app.js';
import { jpegOf } from '../../support/files/images.js';
import { projectsWorld } from '../../support/projects/projects.js';
import { uploadsWorld } from '../../support/projects/uploads.js';

let t: TestApp;
let uploads: ReturnType<typeof uploadsWorld>;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '30d' } }); // the test moves the clock
  uploads = uploadsWorld(t, await projectsWorld(t));
});
afterAll(() => t.stop());

it('a form of pictures is not refused as too slow while the server waits for its storage', async () => {
  const upload = await uploads.open();
  const storage = t.app.get(Storage, { strict: false });
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const put = storage.put.bind(storage);
  const puts = vi.spyOn(storage, 'put').mockImplementation(async (...args) => {
    await released;
    await put(...args);
  });
  const files = await Promise.all(
    Array.from({ length: 40 }, async (_, i) => [`${i}.jpg`, await jpegOf(256 * 1024, i)] as [string, Buffer]),
  );
  t.clock.set(Date.now());
  const added = uploads.addFiles(upload, files);
  await expect.poll(() => puts.mock.calls.length).toBe(1);
  for (let i = 0; i < 3; i++) {
    t.clock.advance(600_000);
    await new Promise((resolve) => setTimeout(resolve, 600)); // the rate is checked every 500 ms
  }
  release();
  expect((await added).status).toBe(200);
});

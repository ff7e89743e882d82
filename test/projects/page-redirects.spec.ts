import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { get, imageFile } from '../support/files/images.js';
import { projectsWorld } from '../support/projects/projects.js';
import { startS3 } from '../support/servers/s3-server.js';

let s3: Awaited<ReturnType<typeof startS3>>;
let t: TestApp;
beforeAll(async () => {
  s3 = await startS3();
  t = await startApp({ env: { ...s3.env, PAGE_REDIRECTS: 'on' } });
});
afterAll(async () => {
  await t.stop();
  await s3.remove();
});

it('PAGE_REDIRECTS=on leads readers of an S3 store to its own address, which is valid for 60 seconds, and nobody else', async () => {
  const world = await projectsWorld(t);
  const chapter = await world.chapter((await world.project()).id);
  const [id] = await world.addPages(chapter.id, [await imageFile(1)]);
  const path = `/api/pages/${id}/image?variant=thumbnail`;
  const { status, headers } = await get(t, path);
  const location = new URL(headers.get('location')!);
  expect([status, headers.get('cache-control'), location.searchParams.get('X-Amz-Expires')]).toEqual([
    302,
    'private, no-store',
    '60',
  ]);
  const image = await fetch(location);
  expect([image.status, image.headers.get('content-type'), image.headers.get('cache-control')]).toEqual([
    200,
    'image/jpeg',
    'private, no-store',
  ]);
  expect((await sharp(Buffer.from(await image.arrayBuffer())).metadata()).width).toBe(256);
  location.searchParams.set('X-Amz-Expires', '61');
  expect((await fetch(location)).status).toBe(403);
  await t.dataSource.query('update chapters set is_hidden = true where id = $1', [chapter.id]);
  expect((await get(t, path)).status).toBe(404);
});

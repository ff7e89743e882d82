import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PageFilesWorker } from '../../src/projects/pages/page-files.worker.js';
import { Storage } from '../../src/storage/storage.js';
import { startApp, type TestApp } from '../support/app.js';
import { call, formOf, get, imageFile } from '../support/files/images.js';
import { projectsWorld } from '../support/projects/projects.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
beforeAll(async () => {
  t = await startApp();
  world = await projectsWorld(t);
});
afterAll(() => t.stop());

const put = (id: string, version: number, bytes: Buffer, token = world.manager.token, field = 'cover') =>
  call(t, 'PUT', `/api/projects/${id}/cover?version=${version}` as '/api/projects/{}/cover', token, {
    body: formOf(bytes, { field }),
  });

it('PUT /api/projects/:id/cover sets the cover in all variants, which lists, feeds and catalogues link', async () => {
  const { id } = await world.project({ title: 'Covered' });
  const { status, body } = await put(id, 1, await imageFile(1, 'png'));
  expect([status, body.version]).toEqual([200, 2]);
  const urls = body.cover!;
  for (const url of Object.values(urls)) {
    const image = await get(t, url);
    expect([image.status, image.headers.get('cache-control'), image.headers.get('x-content-type-options')]).toEqual([
      200,
      'public, max-age=86400',
      'nosniff',
    ]);
    expect((await sharp(image.bytes).metadata()).width).toBeLessThanOrEqual(320);
    expect((await get(t, url, undefined, { 'if-none-match': image.headers.get('etag')! })).status).toBe(304);
    expect((await get(t, url, undefined, { range: 'bytes=0-9' })).status).toBe(206);
  }
  const thumbnail = urls.thumbnail;
  expect((await t.request('GET', '/api/projects?q=Covered')).text).toContain(thumbnail);
  expect((await t.request('GET', '/api/opds/projects?query=Covered')).text).toContain(
    `<link rel="http://opds-spec.org/image/thumbnail" href="${thumbnail}" type="image/jpeg"/>`,
  );
  for (const format of ['rss', 'atom', 'json'])
    expect((await t.request('GET', `/api/feeds/projects/${id}.${format}`)).text).toContain(thumbnail);
});

it('a cover that is replaced or removed answers 404 at once, and its files are deleted', async () => {
  const { id } = await world.project();
  const first = (await put(id, 1, await imageFile(2))).body.cover!;
  const second = (await put(id, 2, await imageFile(3))).body.cover!;
  expect((await get(t, first.reader)).status).toBe(404);
  expect((await get(t, second.reader)).status).toBe(200);
  const { token } = world.manager;
  expect((await t.request('DELETE', `/api/projects/${id}/cover?version=2`, { token })).status).toBe(412);
  expect((await t.request('DELETE', `/api/projects/${id}/cover?version=3`, { token })).status).toBe(204);
  expect((await get(t, second.reader, undefined, { 'if-none-match': '*' })).status).toBe(404);
  const worker = t.app.get(PageFilesWorker, { strict: false });
  t.clock.set(Date.now() + 2 * 3_600_000);
  await worker.deleteRemovedFiles();
  await worker.sweep();
  t.clock.set(Date.now());
  const kept = await t.dataSource.query<{ cover_id: string }[]>(
    'select cover_id from projects where cover_id is not null',
  );
  const ids = new Set<string>();
  for await (const { key } of t.app.get(Storage, { strict: false }).list('pages/'))
    ids.add(/([0-9a-f-]{36})/.exec(key)![1]!);
  expect([...ids].toSorted()).toEqual(kept.map(({ cover_id }) => cover_id).toSorted());
});

it('the cover of a hidden project is sent to those who see the project only, and kept by no cache', async () => {
  const { id } = await world.project();
  const url = (await put(id, 1, await imageFile(4))).body.cover!.reader;
  const etag = (await get(t, url)).headers.get('etag')!;
  await t.request('PATCH', `/api/projects/${id}`, {
    token: world.manager.token,
    body: { version: 2, is_hidden: true },
  });
  for (const headers of [{}, { 'if-none-match': etag }] as Record<string, string>[]) {
    expect((await get(t, url, undefined, headers)).status).toBe(404);
    expect((await get(t, url, world.uploader.token, headers)).status).toBe(404);
  }
  const seen = await get(t, url, world.manager.token);
  expect([seen.status, seen.headers.get('cache-control')]).toEqual([200, 'private, no-store']);
});

it('the addresses of the cover of a hidden project contain a token for those who see the project, so that <img> shows it', async () => {
  const { id } = await world.project({ title: 'Signed cover' });
  const other = await world.project();
  await put(other.id, 1, await imageFile(6));
  await put(id, 1, await imageFile(7));
  const { token } = world.manager;
  for (const each of [id, other.id])
    await t.request('PATCH', `/api/projects/${each}`, { token, body: { version: 2, is_hidden: true } });
  const viewer = await t.user('view_hidden');
  const read = (projectId: string, by: string) =>
    t.request('GET', `/api/projects/${projectId}` as '/api/projects/{}', { token: by });
  const { cover } = (await read(id, viewer.token)).body;
  for (const url of Object.values(cover!)) {
    const image = await get(t, url);
    expect([image.status, image.headers.get('cache-control')]).toEqual([200, 'private, no-store']);
  }
  // Lists, catalogues and feeds have the same addresses.
  const paths = ['/api/projects?q=Signed', '/api/opds/projects?query=Signed', `/api/feeds/projects/${id}.json`];
  for (const path of paths) {
    const { text } = await t.request('GET', path, { token: viewer.token });
    const url = /\/api\/covers\/[^"\s]*?variant=thumbnail&(?:amp;)?token=[\w-]+/.exec(text)![0];
    expect((await get(t, url.replace('&amp;', '&'))).status).toBe(200);
  }
  const otherToken = (await read(other.id, viewer.token)).body.cover!.reader.split('token=')[1]!;
  expect((await get(t, cover!.reader.replace(/token=.*/, `token=${otherToken}`))).status).toBe(404);
  // Another user's own address works for as long as their rights.
  const managed = (await read(id, token)).body.cover!.reader;
  await t.dataSource.query('delete from group_members where user_id = $1', [viewer.id]);
  expect([(await get(t, cover!.reader)).status, (await get(t, managed)).status]).toEqual([404, 200]);
  t.clock.advance(15 * 60_000);
  expect((await get(t, managed)).status).toBe(404);
  t.clock.set(Date.now());
});

it('PUT /api/projects/:id/cover refuses other files, an old version and callers without manage_projects', async () => {
  const { id } = await world.project();
  const image = await imageFile(5);
  const outcome = async (answer: Promise<{ status: number; body: object }>) => {
    const { status, body } = await answer;
    return `${status} ${(body as { code: string }).code}`;
  };
  expect(await outcome(put(id, 1, Buffer.from('<svg/>')))).toBe('415 unsupported_picture');
  expect(await outcome(put(id, 1, image.subarray(0, 2000)))).toBe('422 picture_damaged');
  expect(await outcome(put(id, 2, image))).toBe('412 version_conflict');
  expect(await outcome(put(id, 1, image, world.manager.token, 'files'))).toBe('400 no_file');
  expect(await outcome(put(id, 1, image, world.uploader.token))).toBe('403 forbidden');
  expect(await outcome(put('no-such-project', 1, image))).toBe('404 project_not_found');
  expect(await outcome(put(id, 1, Buffer.alloc(25 * 1024 * 1024 + 1)))).toBe('413 file_too_large');
  const two = formOf(image, { field: 'cover' });
  two.append('cover', new Blob([new Uint8Array(image)]), 'b.jpg');
  expect(await outcome(call(t, 'PUT', `/api/projects/${id}/cover?version=1`, world.manager.token, { body: two }))).toBe(
    '400 malformed_multipart',
  );
});

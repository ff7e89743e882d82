import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ADVISORY_LOCKS, LOCK_EXCLUSIVE } from '../../../src/database/advisory-locks.js';
import { UploadCleanupService } from '../../../src/projects/uploads/upload-cleanup.service.js';
import { UploadsWorker } from '../../../src/projects/uploads/uploads.worker.js';
import { Storage } from '../../../src/storage/storage.js';
import { startApp, type TestApp } from '../../support/app.js';
import { imageFile } from '../../support/files/images.js';
import { projectsWorld } from '../../support/projects/projects.js';
import { holdPages, orphanedFiles, stagedFiles, uploadsWorld } from '../../support/projects/uploads.js';
import { zipOf } from '../../support/files/zip.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let uploads: ReturnType<typeof uploadsWorld>;
let images: Buffer[];
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '30d' } }); // tests move the clock
  world = await projectsWorld(t);
  uploads = uploadsWorld(t, world);
  images = await Promise.all([1, 2, 3, 4].map((seed) => imageFile(seed)));
});
afterAll(() => t.stop());

const HOUR_MS = 3_600_000;
const names = (body: { files: { name: string }[] }): string[] => body.files.map(({ name }) => name);

describe('an upload', () => {
  it('takes pictures in batches, is read back, reordered and reduced, and becomes a published chapter', async () => {
    const upload = await uploads.open();
    const first = await uploads.addFiles(upload, [
      ['10.jpg', images[0]!],
      ['2.jpg', images[1]!],
    ]);
    expect(first.status).toBe(200);
    await uploads.addFiles(upload, [
      ['3.jpg', images[2]!],
      ['credits.jpg', images[3]!],
    ]);
    const { body, headers } = await uploads.send(upload.user, 'GET', '/api/uploads/current');
    expect(names(body)).toEqual(['10.jpg', '2.jpg', '3.jpg', 'credits.jpg']);
    expect(body).toMatchObject({ id: upload.id, state: 'open', total: 4, done: 0, chapter_id: null });
    const [ten, two, three, credits] = body.files.map(({ id }) => id);
    const order = await uploads.send(upload.user, 'PUT', `${upload.path}/order`, {
      body: JSON.stringify({ file_ids: [two, three, ten, credits] }),
      headers: { 'content-type': 'application/json', 'if-match': headers.get('etag')! },
    });
    expect([order.status, names(order.body)]).toEqual([200, ['2.jpg', '3.jpg', '10.jpg', 'credits.jpg']]);
    expect((await uploads.send(upload.user, 'DELETE', `${upload.path}/files/${credits}`)).status).toBe(204);
    const committed = await uploads.commit(upload, { number: '1', title: 'The Harbour' });
    expect(committed.status).toBe(202);
    expect(committed.body).toMatchObject({ state: 'committing', total: 3 });
    const done = await uploads.settled(upload);
    expect(done).toMatchObject({ state: 'committed', done: 3, total: 3, problem: null, files: [] });
    const chapter = await t.request('GET', `/api/chapters/${done.chapter_id}` as '/api/chapters/{}');
    expect(chapter.body).toMatchObject({ number: '1', title: 'The Harbour', state: 'published', page_count: 3 });
    const pages = await t.dataSource.query('select position from pages where chapter_id = $1 order by 1', [
      done.chapter_id,
    ]);
    expect(pages).toEqual([{ position: 1 }, { position: 2 }, { position: 3 }]);
    await expect
      .poll(() => t.dataSource.query('select from upload_files where upload_id = $1', [upload.id]))
      .toEqual([]);
    expect(stagedFiles(t)).toEqual([]);
    const audited = await t.request('GET', `/api/audit?subject_id=${upload.id}`, { token: await t.asAdmin() });
    expect(audited.body['items'].map(({ action }: { action: string }) => action).toSorted()).toEqual([
      'upload.commit_started',
      'upload.committed',
      'upload.started',
    ]);
  });

  it('gives the pages of a draft, and no other chapter than a draft', async () => {
    const uploader = await t.user('upload_chapters');
    const { id: projectId } = await world.project();
    const draft = await world.chapter(projectId, { by: uploader, state: 'draft' });
    const upload = await uploads.open(uploader, { chapter_id: draft.id });
    await uploads.addFiles(upload, [['1.jpg', images[0]!]]);
    const { version } = (await uploads.read(upload)).body;
    const commit = (body: object) => uploads.json(uploader, 'POST', `${upload.path}/commit`, { version, ...body });
    expect((await commit({ chapter: { language: 'en' } })).body.code).toBe('validation_failed');
    expect((await commit({})).status).toBe(202);
    expect(await uploads.settled(upload)).toMatchObject({ state: 'committed', chapter_id: draft.id });
    const again = await uploads.json(uploader, 'POST', '/api/uploads', { chapter_id: draft.id });
    expect([again.status, again.body.code]).toEqual([409, 'chapter_not_draft']);
  });

  it('is the only open one of its user, and can be started again when it is abandoned', async () => {
    const upload = await uploads.open();
    await uploads.addFiles(upload, [['1.jpg', images[0]!]]);
    const target = { project_id: upload.project.id };
    expect((await uploads.json(upload.user, 'POST', '/api/uploads', target)).body.code).toBe('upload_exists');
    expect((await uploads.send(upload.user, 'DELETE', upload.path)).status).toBe(204);
    expect((await uploads.read(upload)).body.code).toBe('upload_not_found');
    expect((await uploads.send(upload.user, 'GET', '/api/uploads/current')).body.code).toBe('upload_not_found');
    expect((await uploads.json(upload.user, 'POST', '/api/uploads', target)).status).toBe(201);
    await expect.poll(() => orphanedFiles(t)).toEqual([]);
    await expect.poll(() => t.dataSource.query('select from uploads where id = $1', [upload.id])).toEqual([]);
  });

  it('that is left alone expires with its files, and one that is changed does not', async () => {
    const [left, changed] = [await uploads.open(), await uploads.open()];
    for (const upload of [left, changed]) await uploads.addFiles(upload, [['1.jpg', images[0]!]]);
    t.clock.advance(23 * HOUR_MS);
    await uploads.addFiles(changed, [['2.jpg', images[1]!]]);
    t.clock.advance(2 * HOUR_MS);
    await expect
      .poll(() => t.dataSource.query('select from uploads where id = $1', [left.id]), { timeout: 8000 })
      .toEqual([]);
    expect(stagedFiles(t)).toHaveLength(2);
    const audited = await t.request('GET', `/api/audit?subject_id=${left.id}`, { token: await t.asAdmin() });
    expect(audited.body['items'][0]).toMatchObject({ action: 'upload.expired' });
    expect((await uploads.send(changed.user, 'DELETE', changed.path)).status).toBe(204);
  });

  it('refuses a commit without files, a stale version and an order that is not of all its files', async () => {
    const upload = await uploads.open();
    expect((await uploads.commit(upload)).body.code).toBe('upload_empty');
    await uploads.addFiles(upload, [
      ['1.jpg', images[0]!],
      ['2.jpg', images[1]!],
    ]);
    const { version, files } = (await uploads.read(upload)).body;
    const order = (file_ids: string[], fields: object = { version }) =>
      uploads.json(upload.user, 'PUT', `${upload.path}/order`, { file_ids, ...fields });
    const [a, b] = files.map(({ id }) => id) as [string, string];
    for (const wrong of [[a], [a, a], [a, b, upload.id], [a, upload.id]]) {
      expect((await order(wrong)).body.code).toBe('upload_order_mismatch');
    }
    expect((await order([])).body.code).toBe('validation_failed');
    expect((await order([b, a], {})).body.code).toBe('version_required');
    expect((await order([b.toUpperCase(), a])).status).toBe(200);
    expect((await order([a, b])).body.code).toBe('version_conflict');
    const stale = { version, chapter: { language: 'en' } };
    expect((await uploads.json(upload.user, 'POST', `${upload.path}/commit`, stale)).body.code).toBe(
      'version_conflict',
    );
    expect(names((await uploads.read(upload)).body)).toEqual(['2.jpg', '1.jpg']);
  });
});

describe('files', () => {
  it('that were sent before a lost connection stay, and are not added twice when all are sent again', async () => {
    const upload = await uploads.open();
    await uploads.addFiles(upload, [['1.jpg', images[0]!]]);
    const all: [string, Buffer][] = [1, 2, 3].map((n) => [`${n}.jpg`, images[n - 1]!]);
    const { status, body } = await uploads.addFiles(upload, all);
    expect([status, names(body)]).toEqual([200, ['1.jpg', '2.jpg', '3.jpg']]);
    const other = await uploads.addFiles(upload, [['1.JPG', images[3]!]]);
    expect([other.status, other.body.code]).toEqual([409, 'upload_file_exists']);
  });

  it('that are removed while a backup runs stay stored, since a row of the backup may have them', async () => {
    const upload = await uploads.open();
    const { body } = await uploads.addFiles(upload, [
      ['1.jpg', images[0]!],
      ['2.jpg', images[1]!],
    ]);
    const [first, second] = body.files.map(({ id }) => id) as [string, string];
    const remove = (id: string) => uploads.send(upload.user, 'DELETE', `${upload.path}/files/${id}`);
    await t.dataSource.transaction(async (manager) => {
      await manager.query(LOCK_EXCLUSIVE, [ADVISORY_LOCKS.fileDeletions]);
      expect((await remove(first)).status).toBe(204);
      expect(stagedFiles(t)).toContain(first);
    });
    expect((await remove(second)).status).toBe(204);
    expect(stagedFiles(t)).not.toContain(second);
    t.clock.advance(2 * HOUR_MS);
    await t.app.get(UploadCleanupService, { strict: false }).sweep(new AbortController().signal);
    expect(stagedFiles(t)).not.toContain(first);
  });

  it('of a form that breaks off stay as far as they have arrived whole', async () => {
    const upload = await uploads.open();
    const part = (name: string, bytes: Buffer): Buffer =>
      Buffer.concat([
        Buffer.from(`--b\r\ncontent-disposition: form-data; name="files"; filename="${name}"\r\n\r\n`),
        bytes,
        Buffer.from('\r\n'),
      ]);
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(part('1.jpg', images[0]!));
        controller.enqueue(part('2.jpg', images[1]!).subarray(0, 500));
        await expect.poll(async () => names((await uploads.read(upload)).body)).toEqual(['1.jpg']);
        controller.error(new Error('lost'));
      },
    });
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    const sent = uploads.send(upload.user, 'POST', `${upload.path}/files`, { body, headers, duplex: 'half' } as never);
    await expect(sent).rejects.toThrow();
    expect(names((await uploads.read(upload)).body)).toEqual(['1.jpg']);
    expect(await orphanedFiles(t)).toEqual([]);
    expect(names((await uploads.addFiles(upload, [['2.jpg', images[1]!]])).body)).toEqual(['1.jpg', '2.jpg']);
  });

  it('that are no pictures, have no proper name or are too large are refused, and those before them stay', async () => {
    const upload = await uploads.open();
    const text = await uploads.addFiles(upload, [
      ['1.jpg', images[0]!],
      ['2.jpg', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
      ['3.jpg', images[1]!],
    ]);
    expect([text.status, text.body.code]).toEqual([415, 'unsupported_picture']);
    expect(text.body.detail).toContain('2.jpg');
    expect(names((await uploads.read(upload)).body)).toEqual(['1.jpg']);
    const named = await uploads.addFiles(upload, [[`${'x'.repeat(300)}.jpg`, images[1]!]]);
    expect([named.status, named.body.code]).toEqual([422, 'upload_file_name']);
    const large = await uploads.addFiles(upload, [
      ['4.jpg', Buffer.concat([images[1]!, Buffer.alloc(25 * 1024 * 1024)])],
    ]);
    expect([large.status, large.body.code]).toEqual([413, 'file_too_large']);
    const form = new FormData();
    form.set('files', 'no file');
    const field = await uploads.send(upload.user, 'POST', `${upload.path}/files`, { body: form });
    expect([field.status, field.body.code]).toEqual([400, 'malformed_multipart']);
    const renamed = new FormData();
    renamed.set('avatar', new Blob([new Uint8Array(images[0]!)]), 'a.jpg');
    expect((await uploads.send(upload.user, 'POST', `${upload.path}/files`, { body: renamed })).body.code).toBe(
      'no_file',
    );
    expect((await uploads.json(upload.user, 'POST', `${upload.path}/files`)).body.code).toBe('form_expected');
    expect(names((await uploads.read(upload)).body)).toEqual(['1.jpg']);
  });
});

describe('the pages of an archive', () => {
  it('are sorted by name with 2 before 10, without files that are no pages', async () => {
    const upload = await uploads.open();
    const paths = ['ch1/10.jpg', 'ch1/2.jpg', 'ch1/1.jpg'];
    const entries = paths.map((name, i) => ({ name, data: images[i]!, isDeflated: i === 1 }));
    const others = ['ComicInfo.xml', '__MACOSX/ch1/._1.jpg', 'ch1/Thumbs.db', 'ch1/'].map((name) => ({ name }));
    const { status, body } = await uploads.addArchive(upload, zipOf([...entries, ...others]));
    expect(status, JSON.stringify(body)).toBe(200);
    expect([status, names(body)]).toEqual([200, ['ch1/1.jpg', 'ch1/2.jpg', 'ch1/10.jpg']]);
    const again = await uploads.addArchive(upload, zipOf(entries));
    expect([again.status, again.body.code]).toEqual([409, 'upload_file_exists']);
    await uploads.commit(upload);
    expect(await uploads.settled(upload)).toMatchObject({ state: 'committed', done: 3 });
  });
});

describe('a commit', () => {
  it('with a damaged picture fails as a whole: the chapter has no page, and no file stays', async () => {
    const upload = await uploads.open();
    const damaged = images[1]!.subarray(0, images[1]!.length / 2);
    await uploads.addFiles(upload, [
      ['1.jpg', images[0]!],
      ['2.jpg', damaged],
      ['3.jpg', images[2]!],
    ]);
    await uploads.commit(upload, { number: '5' });
    const failed = await uploads.settled(upload);
    expect(failed).toMatchObject({ state: 'failed', problem: 'picture_damaged', problem_file: '2.jpg' });
    const mine = await t.request('GET', `/api/chapters/${failed.chapter_id}` as '/api/chapters/{}', {
      token: upload.user.token,
    });
    expect(mine.body).toMatchObject({ state: 'failed', page_count: 0 });
    expect((await t.request('GET', `/api/chapters/${failed.chapter_id}`)).status).toBe(404);
    expect(await t.dataSource.query('select from pages where chapter_id = $1', [failed.chapter_id])).toEqual([]);
    await expect
      .poll(() => t.dataSource.query('select from upload_files where upload_id = $1', [upload.id]))
      .toEqual([]);
    const retry = await uploads.open(upload.user, { chapter_id: failed.chapter_id! });
    await uploads.addFiles(retry, [['1.jpg', images[0]!]]);
    const { version } = (await uploads.read(retry)).body;
    await uploads.json(upload.user, 'POST', `${retry.path}/commit`, { version });
    expect(await uploads.settled(retry)).toMatchObject({ state: 'committed' });
    expect((await t.request('GET', `/api/chapters/${failed.chapter_id}`)).status).toBe(200);
  });

  it('of a number that the project has answers 409, and the upload stays open', async () => {
    const upload = await uploads.open();
    await world.chapter(upload.project.id, { number: '7' });
    await uploads.addFiles(upload, [['1.jpg', images[0]!]]);
    const { status, body } = await uploads.commit(upload, { number: '7.0' });
    expect([status, body.code]).toEqual([409, 'chapter_exists']);
    expect((await uploads.read(upload)).body).toMatchObject({ state: 'open', chapter_id: null });
    expect((await uploads.commit(upload, { number: '8' })).status).toBe(202);
    await uploads.settled(upload);
  });

  it('fails when the uploader loses the permission or the project is deleted before its end', async () => {
    const [first, second] = [await uploads.open(), await uploads.open()];
    for (const upload of [first, second]) await uploads.addFiles(upload, [['1.jpg', images[0]!]]);
    const admin = await t.asAdmin();
    const pages = holdPages(t);
    await uploads.commit(first);
    await uploads.commit(second);
    await expect.poll(pages.started).toBeGreaterThan(0);
    const [group] = await t.dataSource.query(`select group_id from group_members where user_id = $1`, [first.user.id]);
    await t.request('DELETE', `/api/groups/${group.group_id}/members/${first.user.id}`, { token: admin });
    const { body } = await t.request('GET', `/api/projects/${second.project.id}`, { token: admin });
    const removed = await t.request('DELETE', `/api/projects/${second.project.id}?version=${body['version']}`, {
      token: admin,
    });
    pages.release();
    expect(removed.status).toBe(204);
    const result = async (id: string) =>
      (await t.dataSource.query('select state, problem from uploads where id = $1', [id]))[0];
    await expect.poll(() => result(first.id)).toEqual({ state: 'failed', problem: 'forbidden' });
    await expect.poll(() => result(second.id)).toEqual({ state: 'failed', problem: 'chapter_not_found' });
    expect((await uploads.read(first)).body.code).toBe('forbidden');
    await expect.poll(() => orphanedFiles(t)).toEqual([]);
    pages.restore();
  });
});

describe('the uploads of a user', () => {
  it('are found by no other user, administrators included, and need the permission upload_chapters', async () => {
    const upload = await uploads.open();
    await uploads.addFiles(upload, [['1.jpg', images[0]!]]);
    const { files, version } = (await uploads.read(upload)).body;
    const others = [await t.user('upload_chapters'), { token: await t.asAdmin() }];
    for (const user of others) {
      const answers = [
        await uploads.send(user, 'GET', upload.path),
        await uploads.send(user, 'DELETE', upload.path),
        await uploads.send(user, 'DELETE', `${upload.path}/files/${files[0]!.id}`),
        await uploads.json(user, 'PUT', `${upload.path}/order`, { version, file_ids: [files[0]!.id] }),
        await uploads.json(user, 'POST', `${upload.path}/commit`, { version, chapter: { language: 'en' } }),
        await uploads.addFiles({ ...upload, user: user as never }, [['2.jpg', images[1]!]]),
        await uploads.addArchive({ ...upload, user: user as never }, zipOf([{ name: '2.jpg', data: images[1]! }])),
      ];
      expect(answers.map(({ body }) => body.code)).toEqual(answers.map(() => 'upload_not_found'));
    }
    const manager = await uploads.json(world.manager, 'POST', '/api/uploads', { project_id: upload.project.id });
    expect([manager.status, manager.body.code]).toEqual([403, 'forbidden']);
    expect(names((await uploads.read(upload)).body)).toEqual(['1.jpg']);
  });

  it('start for a project or a draft that the user sees', async () => {
    const user = await t.user('upload_chapters');
    const hidden = await world.project({ is_hidden: true });
    const start = async (body: object) => (await uploads.json(user, 'POST', '/api/uploads', body)).body.code;
    expect(await start({ project_id: hidden.id })).toBe('project_not_found');
    const draft = await world.chapter((await world.project()).id, { state: 'draft' });
    expect(await start({ chapter_id: draft.id })).toBe('chapter_not_found');
    for (const wrong of [{}, { project_id: draft.id, chapter_id: draft.id }, { project_id: 'x' }]) {
      expect(await start(wrong)).toBe('validation_failed');
    }
  });
});

it('the deletion of files of ended uploads stops when the application stops', async () => {
  const own = await startApp();
  const { id } = await uploadsWorld(own, await projectsWorld(own)).open();
  let release = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (release = resolve));
  const deletes = vi.spyOn(own.app.get(Storage, { strict: false }), 'delete').mockReturnValue(stopped);
  await own.dataSource.query(
    `insert into upload_files (id, upload_id, name, name_key, position, size, sha256, created_at)
      select gen_random_uuid(), $1, n, n, n, 1, '', now() from generate_series(1, 300) n`,
    [id],
  );
  await own.dataSource.query(`update uploads set state = 'abandoned' where id = $1`, [id]);
  await expect.poll(() => deletes.mock.calls.length, { timeout: 10_000 }).toBeGreaterThan(0);
  const stopping = own.app.get(UploadsWorker, { strict: false }).beforeApplicationShutdown();
  release();
  await stopping;
  const [{ count }] = await own.dataSource.query<[{ count: number }]>(
    'select count(*)::integer as count from upload_files',
  );
  expect([count > 0, count < 300, deletes.mock.calls.length]).toEqual([true, true, 300 - count]);
  await own.stop();
});

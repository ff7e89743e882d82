import { afterAll, beforeAll, expect, it } from 'vitest';
import { CommitRunsService } from '../../../src/projects/uploads/commits/commit-runs.service.js';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { imageFile } from '../../support/files/images.js';
import { projectsWorld } from '../../support/projects/projects.js';
import { holdPages, orphanedFiles, pageFiles, uploadsWorld } from '../../support/projects/uploads.js';

let t: TestApp;
let uploads: ReturnType<typeof uploadsWorld>;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let images: Buffer[];
beforeAll(async () => {
  t = await startApp();
  world = await projectsWorld(t);
  uploads = uploadsWorld(t, world);
  images = await Promise.all([1, 2, 3, 4].map((seed) => imageFile(seed)));
});
afterAll(() => t.stop());

type Opened = Awaited<ReturnType<typeof uploads.open>>;

async function openWithFiles(count: number): Promise<Opened & { ids: string[]; version: number }> {
  const upload = await uploads.open();
  const files = Array.from({ length: count }, (_, i): [string, Buffer] => [`${i}.jpg`, images[i % 4]!]);
  const { body } = await uploads.addFiles(upload, files);
  return { ...upload, ids: body.files.map(({ id }) => id), version: body.version };
}

const codesOf = (answers: { status: number; body: { code: string } }[]): string[] =>
  answers.map(({ status, body }) => (status < 300 ? 'ok' : body.code)).toSorted();

it('of 20 uploads that a user starts at once, one is started', async () => {
  const user = await t.user('upload_chapters');
  const { id } = await world.project();
  await t.warmUp();
  const start = () => uploads.json(user, 'POST', '/api/uploads', { project_id: id });
  const codes = codesOf(await Promise.all(Array.from({ length: 20 }, start)));
  expect(codes).toEqual(['ok', ...Array.from({ length: 19 }, () => 'upload_exists')]);
});

it('of two requests that add the same file at once both succeed, and the file is added once', async () => {
  for (let round = 0; round < 5; round++) {
    const upload = await uploads.open();
    await t.warmUp();
    const add = (bytes: Buffer) => uploads.addFiles(upload, [['1.jpg', bytes]]);
    expect(codesOf(await Promise.all([add(images[0]!), add(images[0]!)]))).toEqual(['ok', 'ok']);
    expect((await add(images[1]!)).body.code).toBe('upload_file_exists');
    expect((await uploads.read(upload)).body.files).toMatchObject([{ name: '1.jpg' }]);
  }
  await expect.poll(() => orphanedFiles(t)).toEqual([]);
});

it('of 10 orders of one version that are set at once, one wins as a whole', async () => {
  const { user, path, ids, version } = await openWithFiles(4);
  const orders = Array.from({ length: 10 }, (_, i) => [...ids.slice(i % 4), ...ids.slice(0, i % 4)]);
  await t.warmUp();
  const answers = await Promise.all(
    orders.map((file_ids) => uploads.json(user, 'PUT', `${path}/order`, { file_ids, version })),
  );
  expect(codesOf(answers)).toEqual(['ok', ...Array.from({ length: 9 }, () => 'version_conflict')]);
  const won = answers.findIndex(({ status }) => status === 200);
  const { body } = await uploads.read({ user, path });
  expect(body.files.map(({ id }) => id)).toEqual(orders[won]);
});

it('of 10 commits at once one makes a chapter, and the others are refused', async () => {
  for (let round = 0; round < 10; round++) {
    const { user, path, project, version } = await openWithFiles(2);
    await t.warmUp();
    const body = { version, chapter: { language: 'en', number: '1' } };
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => uploads.json(user, 'POST', `${path}/commit`, body)),
    );
    expect(codesOf(answers)).toEqual(['ok', ...Array.from({ length: 9 }, () => 'upload_not_open')].toSorted());
    expect(await uploads.settled({ user, path })).toMatchObject({ state: 'committed', done: 2 });
    const chapters = await t.dataSource.query('select page_count from chapters where project_id = $1', [project.id]);
    expect(chapters).toEqual([{ page_count: 2 }]);
  }
});

it('a commit and a change of another chapter that take the same number at once: one gets it, and neither is told to try again', async () => {
  for (let round = 0; round < 20; round++) {
    const { user, path, project, version } = await openWithFiles(1);
    const { id } = await world.chapter(project.id, { by: user, number: '2' });
    await t.warmUp();
    const answers = await Promise.all([
      uploads.json(user, 'POST', `${path}/commit`, { version, chapter: { language: 'en', number: '1' } }),
      uploads.json(user, 'PATCH', `/api/chapters/${id}`, { version: 2, number: '1' }),
    ]);
    expect(codesOf(answers)).toEqual(['chapter_exists', 'ok']);
  }
});

it('a commit and the deletion of the account at once: neither is told to try again', async () => {
  const codes = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const { user, path, version } = await openWithFiles(1);
    await t.warmUp();
    const commit = { version, chapter: { language: 'en', number: '1' } };
    const answers = await Promise.all([
      uploads.json(user, 'POST', `${path}/commit`, commit),
      uploads.json(user, 'DELETE', '/api/users/me', { password: PASSWORD }),
    ]);
    for (const code of codesOf(answers)) codes.add(code);
  }
  expect(['ok', 'invalid_token', 'upload_not_found']).toEqual(expect.arrayContaining([...codes]));
});

it.each(['account', 'project'])(
  'changes of files and the deletion of the %s at once: nobody is told to try again',
  async (kind) => {
    const admin = await t.user('admin');
    const codes = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const { user, path, project, ids } = await openWithFiles(1);
      await t.warmUp();
      const answers = await Promise.all([
        round % 2
          ? uploads.addFiles({ user, path }, [['late.jpg', images[3]!]])
          : uploads.send(user, 'DELETE', `${path}/files/${ids[0]}`),
        kind === 'account'
          ? uploads.json(user, 'DELETE', '/api/users/me', { password: PASSWORD })
          : uploads.send(admin, 'DELETE', `/api/projects/${project.id}?version=1`),
      ]);
      for (const code of codesOf(answers)) codes.add(code);
    }
    expect(['ok', 'invalid_token', 'upload_not_found']).toEqual(expect.arrayContaining([...codes]));
  },
);

it('of 10 commits of a draft at once one gives it its pages', async () => {
  const user = await t.user('upload_chapters');
  const draft = await world.chapter((await world.project()).id, { by: user, state: 'draft' });
  const upload = await uploads.open(user, { chapter_id: draft.id });
  const { version } = (await uploads.addFiles(upload, [['1.jpg', images[0]!]])).body;
  await t.warmUp();
  const commit = () => uploads.json(user, 'POST', `${upload.path}/commit`, { version });
  const codes = codesOf(await Promise.all(Array.from({ length: 10 }, commit)));
  expect(codes).toEqual(['ok', ...Array.from({ length: 9 }, () => 'upload_not_open')]);
  expect(await uploads.settled(upload)).toMatchObject({ state: 'committed', chapter_id: draft.id });
});

it('a commit, files, an order and the end of the same upload at once leave a chapter with all its pages or none', async () => {
  for (let round = 0; round < 30; round++) {
    const { user, path, ids, version } = await openWithFiles(2);
    await t.warmUp();
    const commit = () => uploads.json(user, 'POST', `${path}/commit`, { version, chapter: { language: 'en' } });
    const answers = await Promise.all([
      commit(),
      uploads.addFiles({ user, path }, [['late.jpg', images[3]!]]),
      uploads.json(user, 'PUT', `${path}/order`, { version, file_ids: ids.toReversed() }),
      uploads.send(user, 'DELETE', `${path}/files/${ids[0]}`),
      round % 2 ? commit() : uploads.send(user, 'DELETE', path),
    ]);
    for (const { status } of answers) expect([200, 202, 204, 404, 409, 412]).toContain(status);
    const { body, status } = await uploads.read({ user, path });
    if (status === 404) continue; // abandoned
    if (body.state === 'open') await uploads.send(user, 'DELETE', path);
    else expect(await uploads.settled({ user, path })).toMatchObject({ state: 'committed', done: body.total });
  }
  await expect.poll(() => orphanedFiles(t)).toEqual([]);
});

it('a commit whose run stands still is taken over by another one, and the first writes nothing any more', async () => {
  const { user, path, id } = await openWithFiles(2);
  const pages = holdPages(t, 2); // those of the first run
  await uploads.commit({ user, path });
  await expect.poll(pages.started).toBe(2);
  await t.dataSource.query(`update uploads set claimed_until = now() - interval '1 second' where id = $1`, [id]);
  const done = await uploads.settled({ user, path });
  expect(done).toMatchObject({ state: 'committed', done: 2 });
  const files = pageFiles(t).length;
  pages.release();
  await expect.poll(pages.stored).toBe(4);
  await expect.poll(() => pageFiles(t).length).toBe(files);
  pages.restore();
  const rows = await t.dataSource.query('select position from pages where chapter_id = $1 order by 1', [
    done.chapter_id,
  ]);
  expect(rows).toEqual([{ position: 1 }, { position: 2 }]);
});

it('a commit that is interrupted five times without a further page fails, and its pages are deleted', async () => {
  const { user, path, id } = await openWithFiles(2);
  const before = pageFiles(t).length;
  await t.dataSource.query(`update uploads set attempts = 5 where id = (select id from uploads where id = $1)`, [id]);
  await uploads.commit({ user, path });
  const failed = await uploads.settled({ user, path });
  expect(failed).toMatchObject({ state: 'failed', problem: 'upload_interrupted' });
  expect(await t.dataSource.query('select from pages where chapter_id = $1', [failed.chapter_id])).toEqual([]);
  await expect.poll(() => pageFiles(t).length).toBe(before);
});

it('20 processes that look for commits at once take each of them once', async () => {
  const opened = await Promise.all([1, 2, 3].map(() => openWithFiles(1)));
  const runs = t.app.get(CommitRunsService, { strict: false });
  await t.dataSource.query(`update uploads set claimed_until = 'infinity', state = 'committing' where id = any ($1)`, [
    opened.map(({ id }) => id),
  ]);
  await t.warmUp();
  await t.dataSource.query('update uploads set claimed_until = null where id = any ($1)', [opened.map(({ id }) => id)]);
  const claims = await Promise.all(Array.from({ length: 20 }, () => runs.claim()));
  const taken = claims.flatMap((claim) => (claim ? [claim.row.id] : []));
  expect(new Set(taken).size).toBe(taken.length);
  await t.dataSource.query(`delete from uploads where id = any ($1)`, [opened.map(({ id }) => id)]);
});

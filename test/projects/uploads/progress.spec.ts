import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { connect, V2 } from '../../support/clients/chat-client.js';
import { imageFile } from '../../support/files/images.js';
import { projectsWorld } from '../../support/projects/projects.js';
import { uploadsWorld } from '../../support/projects/uploads.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let uploads: ReturnType<typeof uploadsWorld>;
let image: Buffer;
beforeAll(async () => {
  t = await startApp({ env: { CHAPTER_REVIEW: 'first', BUS: 'postgres' } });
  world = await projectsWorld(t);
  uploads = uploadsWorld(t, world);
  image = await imageFile(1);
});
afterAll(() => t.stop());

describe('the progress of a commit', () => {
  it('is sent to the connections of the user on every node that have asked for it, and to no other', async () => {
    const env = { ...keysOf(t), STORAGE_DIR: t.config.STORAGE_DIR, BUS: 'postgres' };
    const other = await startApp({ database: t.connection, env });
    const upload = await uploads.open();
    const [watching, onOtherNode, silent, stranger, old] = [
      await connect(t, upload.user, V2),
      await connect(other, upload.user, V2),
      await connect(t, upload.user, V2),
      await connect(t, await t.user('upload_chapters'), V2),
      await connect(t, upload.user),
    ];
    for (const client of [watching, onOtherNode, stranger]) {
      expect(await client.ask('watch_uploads')).toMatchObject({ success: true, data: { is_watching: true } });
    }
    expect(await old.ask('watch_uploads')).toMatchObject({ success: false, type: 'root' });
    await uploads.addFiles(upload, [
      ['1.jpg', image],
      ['2.jpg', await imageFile(2)],
    ]);
    await uploads.commit(upload);
    const { chapter_id } = await uploads.settled(upload);
    for (const client of [watching, onOtherNode]) {
      let frame = await client.next();
      for (; frame['data'].state === 'committing'; frame = await client.next()) {
        expect(frame).toMatchObject({ type: 'upload_progress', data: { upload_id: upload.id, total: 2 } });
      }
      expect(frame['data']).toEqual({
        upload_id: upload.id,
        chapter_id,
        state: 'committed',
        done: 2,
        total: 2,
        problem: null,
        problem_file: null,
      });
    }
    expect(await silent.ask('ping')).toMatchObject({ type: 'ping' });
    expect(await stranger.ask('ping')).toMatchObject({ type: 'ping' });
    await other.stop();
  });
});

describe('with CHAPTER_REVIEW=first', () => {
  it('the chapter of a new uploader waits for a moderator, and only its uploader sees it', async () => {
    const upload = await uploads.open();
    await uploads.addFiles(upload, [['1.jpg', image]]);
    await uploads.commit(upload);
    const { chapter_id } = await uploads.settled(upload);
    const path = `/api/chapters/${chapter_id}` as '/api/chapters/{}';
    expect((await t.request('GET', path, { token: upload.user.token })).body).toMatchObject({ state: 'review' });
    expect((await t.request('GET', path)).status).toBe(404);
    const approve = `/api/moderation/chapters/${chapter_id}/approve`;
    const reviewer = await t.user('manage_projects', 'view_hidden');
    expect((await t.request('POST', approve, { token: reviewer.token })).status).toBe(204);
    expect((await t.request('GET', path)).body).toMatchObject({ state: 'published', page_count: 1 });
  });
});

describe('a committed chapter', () => {
  it('that is released later is seen by its uploader only until then, and so is each of its pages', async () => {
    const upload = await uploads.open(world.uploader);
    await uploads.addFiles(upload, [['1.jpg', image]]);
    const release_at = new Date(t.clock.now() + 600_000).toISOString();
    await uploads.commit(upload, { release_at });
    const { chapter_id } = await uploads.settled(upload);
    await t.dataSource.query(`update chapters set state = 'published', published_at = now() where id = $1`, [
      chapter_id,
    ]);
    const path = `/api/chapters/${chapter_id}` as '/api/chapters/{}';
    expect((await t.request('GET', path)).status).toBe(404);
    expect((await t.request('GET', path, { token: upload.user.token })).status).toBe(200);
    t.clock.advance(601_000);
    expect((await t.request('GET', path)).status).toBe(200);
  });
});

const keysOf = ({ config }: TestApp): Record<string, string> => ({
  SECRET_KEY: config.SECRET_KEY,
  NATIONAL_ID_KEY: config.NATIONAL_ID_KEY,
  NATIONAL_ID_INDEX_KEY: config.NATIONAL_ID_INDEX_KEY,
});

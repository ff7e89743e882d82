import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SqlValues } from '../../../src/database/statements/sql-values.js';
import { ANONYMOUS, type Reader } from '../../../src/projects/visibility/reader.js';
import { isChapterVisible, visibleChapter } from '../../../src/projects/visibility/visibility.js';
import { startApp, type TestApp } from '../../support/app.js';
import { userInGroup, visibilityWorld, type VisibilityWorld } from '../../support/projects/visibility.js';

const DAY_MS = 86_400_000;

let t: TestApp;
let world: VisibilityWorld;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '90d', REFRESH_TOKEN_TTL: '90d', SESSION_MAX_AGE: '90d' } });
  world = await visibilityWorld(t);
});
afterAll(() => t.stop());

describe('hidden projects', () => {
  it('do not answer 304 or redirect to readers who do not see them', async () => {
    const project = await world.project({ slug: 'seen-before' });
    const path = `/api/projects/${project.id}`;
    const etag = (await t.request('GET', path)).headers.get('etag')!;
    expect((await t.request('GET', path, { headers: { 'if-none-match': etag } })).status).toBe(304);
    const body = { version: 1, is_hidden: true, slug: 'seen-after' };
    await t.request('PATCH', path, { token: world.manager.token, body });
    expect((await t.request('GET', path, { headers: { 'if-none-match': etag } })).status).toBe(404);
    expect((await t.request('GET', '/api/projects/seen-before')).status).toBe(404);
    expect((await t.request('PUT', `${path}/follow`, { token: world.early.token })).status).toBe(404);
    const patch = { token: (await t.user('upload_chapters')).token, body: { number: '1', language: 'en' } };
    expect((await t.request('POST', `${path}/chapters`, patch)).status).toBe(404);
  });
});

describe('the one rule', () => {
  it('is the same as an SQL condition and as a function, for every combination', async () => {
    const now = t.clock.date();
    const readers: Reader[] = [
      ANONYMOUS,
      ...[0, 1, 3].map((earlyAccessDays) => ({ ...ANONYMOUS, id: world.early.id, earlyAccessDays })),
      { ...ANONYMOUS, id: world.uploader.id },
      { ...ANONYMOUS, id: world.viewer.id, seesHidden: true },
      { ...ANONYMOUS, id: world.manager.id, managesProjects: true },
    ];
    type Row = Parameters<typeof isChapterVisible>[2] & { id: string; project_is_hidden: boolean };
    const rows = await t.dataSource.query<Row[]>(
      `select c.*, p.is_hidden as project_is_hidden from chapters c join projects p on p.id = c.project_id`,
    );
    for (const reader of readers) {
      const values = new SqlValues();
      const found = await t.dataSource.query<{ id: string }[]>(
        `select c.id from chapters c join projects p on p.id = c.project_id where ${visibleChapter(reader, now, values)}`,
        values.all,
      );
      const byFunction = rows.filter((row) => isChapterVisible(reader, now, row, { is_hidden: row.project_is_hidden }));
      expect(found.map(({ id }) => id).toSorted()).toEqual(byFunction.map(({ id }) => id).toSorted());
    }
  });

  it('follows the clock to the millisecond', async () => {
    const chapter = world.cases.find(({ name }) => name === 'released in 4 days')!;
    const statusFor = async (token?: string) =>
      (await t.request('GET', `/api/chapters/${chapter.id}`, { token })).status;
    t.clock.set(world.start + DAY_MS - 1);
    expect([await statusFor(world.early.token), await statusFor()]).toEqual([404, 404]);
    t.clock.set(world.start + DAY_MS);
    expect([await statusFor(world.early.token), await statusFor()]).toEqual([200, 404]);
    t.clock.set(world.start + 4 * DAY_MS - 1);
    expect(await statusFor()).toBe(404);
    t.clock.set(world.start + 4 * DAY_MS);
    expect(await statusFor()).toBe(200);
    t.clock.set(world.start);
  });

  it('follows a right that is taken away at once', async () => {
    const token = await t.asAdmin();
    const chapter = world.cases.find(({ name }) => name === 'released in 3 days')!;
    const statusFor = async (reader: string) =>
      (await t.request('GET', `/api/chapters/${chapter.id}`, { token: reader })).status;
    expect(await statusFor(world.early.token)).toBe(200);
    await t.request('DELETE', `/api/groups/${world.earlyGroup}/members/${world.early.id}`, { token });
    expect(await statusFor(world.early.token)).toBe(404);
    const former = await userInGroup(t, { permissions: ['view_hidden'] });
    expect(await statusFor(former.user.token)).toBe(200);
    await t.request('PATCH', `/api/groups/${former.group}`, { token, body: { permissions: [] } });
    expect(await statusFor(former.user.token)).toBe(404);
  });
});

describe('ANONYMOUS_READING=off', () => {
  it('requires a token on every open route, and answers 401 to one that is not valid', async () => {
    const closed = await startApp({ env: { ANONYMOUS_READING: 'off' }, database: t.connection });
    const paths = [
      '/api/projects',
      `/api/chapters/${world.cases[0]!.id}`,
      '/api/chapters/latest',
      '/api/release-groups',
    ];
    for (const path of paths) {
      expect((await closed.request('GET', path)).body['code']).toBe('token_required');
      const headers = { authorization: 'Bearer a.b.c' };
      expect((await t.request('GET', path, { headers })).body['code']).toBe('invalid_token');
      expect((await t.request('GET', path, { headers: { cookie: 'login-token=a.b.c' } })).status).toBe(200);
    }
    await closed.stop();
  });
});

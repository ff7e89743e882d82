import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { projectsWorld } from '../support/projects/projects.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let token: string;
beforeAll(async () => {
  // Tests move the clock by days.
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '30d', REFRESH_TOKEN_TTL: '30d', SESSION_MAX_AGE: '30d' } });
  world = await projectsWorld(t);
  ({ token } = world.uploader);
});
afterAll(() => t.stop());

const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';
const HOUR_MS = 3_600_000;

const post = (projectId: string, body: object, by = token) =>
  t.request('POST', `/api/projects/${projectId}/chapters` as '/api/projects/{}/chapters', { token: by, body });

const patch = (id: string, body: object, by = token) =>
  t.request('PATCH', `/api/chapters/${id}` as '/api/chapters/{}', { token: by, body });

const get = (id: string, by?: string) => t.request('GET', `/api/chapters/${id}` as '/api/chapters/{}', { token: by });

const list = (projectId: string, query = '') =>
  t.request('GET', `/api/projects/${projectId}/chapters${query}` as '/api/projects/{}/chapters');

const latest = (query = '', by?: string) =>
  t.request('GET', `/api/chapters/latest${query}` as '/api/chapters/latest', { token: by });

describe('chapters', () => {
  it('are created as drafts that only the uploader sees, and readers see them once published', async () => {
    const project = await world.project({ title: 'Quiet Harbour' });
    const group = await world.releaseGroup({ name: 'Harbour Scans' });
    const fields = { number: '3.10', volume: '2', title: 'The Lighthouse', language: 'pt-BR' };
    const created = await post(project.id, { ...fields, release_group_ids: [group.id.toUpperCase()] });
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe(`/api/chapters/${created.body.id}`);
    expect(created.body).toMatchObject({
      ...fields,
      project: { id: project.id, slug: 'quiet-harbour', title: 'Quiet Harbour' },
      release_groups: [{ id: group.id, name: 'Harbour Scans' }],
      uploader_id: world.uploader.id,
      state: 'draft',
      version: 1,
      readable_at: null,
      previous_id: null,
      next_id: null,
    });
    expect((await get(created.body.id)).body.code).toBe('chapter_not_found');
    expect((await list('quiet-harbour')).body.items).toEqual([]);
    await world.publish(created.body.id, world.uploader, 24);
    expect((await get(created.body.id)).body).toMatchObject({ state: 'published', page_count: 24, version: 2 });
    expect((await list('quiet-harbour')).body.items.map(({ id }) => id)).toEqual([created.body.id]);
  });

  it('are listed in the order of their numbers, one-shots last, in pages of any size and both directions', async () => {
    const { id } = await world.project();
    const numbers = ['1', '2', '2.5', '3.9', '3.10', '10', '10.1', '100', null];
    for (const number of numbers.toReversed()) await world.chapter(id, { number });
    await world.chapter(id, { number: 'Extra', sort_as: '2.7', title: 'Extra' });
    const expected = [...numbers.slice(0, 3), 'Extra', ...numbers.slice(3)];
    const numbersOf = async (query: string) => (await list(id, query)).body.items.map(({ number }) => number);
    expect(await numbersOf('?limit=100')).toEqual(expected);
    expect(await numbersOf('?limit=100&order=desc')).toEqual(expected.toReversed());
    const seen: (string | null)[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await list(id, `?limit=3${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.items.map(({ number }) => number));
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(expected);
    expect((await list(id, '?cursor=WzFd')).body.code).toBe('invalid_cursor');
  });

  it('with the longest numbers are listed to the end, one in a page', async () => {
    const { id } = await world.project();
    const numbers = ['𠀀'.repeat(20), 'a1'.repeat(10), '９'.repeat(20), '٣', '\ufdfa'];
    for (const number of numbers) await world.chapter(id, { number });
    const seen: (string | null)[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { status, body } = await list(id, `?limit=1${cursor && `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      seen.push(...body.items.map(({ number }) => number));
      cursor = body.next_cursor;
    }
    expect(new Set(seen)).toEqual(new Set(numbers));
    expect(seen.length).toBe(numbers.length);
    expect(seen.slice(0, 2)).toEqual(['٣', '９'.repeat(20)]);
    const same = await post(id, { number: '3', language: 'en' });
    expect([same.status, same.body.code]).toEqual([409, 'chapter_exists']);
  });

  it('exist once per project, number, language and groups, also when 20 requests create one at once', async () => {
    const { id } = await world.project();
    const groups = [(await world.releaseGroup()).id, (await world.releaseGroup()).id];
    await t.warmUp();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        post(id, {
          number: ['2', '2.0', '02', '2.00'][i % 4],
          language: i % 2 ? 'en' : 'EN',
          release_group_ids: i % 3 ? groups : groups.toReversed(),
        }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ body: { code } }) => code === 'chapter_exists')).toHaveLength(19);
    const [{ count }] = await t.dataSource.query('select count(*)::int as count from chapters where project_id = $1', [
      id,
    ]);
    expect(count).toBe(1);
    for (const fields of [
      { language: 'de' },
      { release_group_ids: [groups[0]] },
      { number: '2.1' },
      { number: null },
    ]) {
      const answer = await post(id, { number: '2', language: 'en', release_group_ids: groups, ...fields });
      expect([fields, answer.status]).toEqual([fields, 201]);
    }
  });

  it('without a number are told apart by their titles', async () => {
    const { id } = await world.project();
    expect((await post(id, { title: 'Winter', language: 'en' })).status).toBe(201);
    expect((await post(id, { title: 'Summer', language: 'en' })).status).toBe(201);
    expect((await post(id, { title: 'winter', language: 'en' })).body.code).toBe('chapter_exists');
  });

  it('can be uploaded again after they have failed', async () => {
    const { id } = await world.project();
    const chapter = await world.chapter(id, { number: '1', state: 'draft' });
    await t.dataSource.query(`update chapters set state = 'failed' where id = $1`, [chapter.id]);
    expect((await post(id, { number: '1', language: 'en' })).status).toBe(201);
  });

  it('change with their version, their order, uniqueness and groups included', async () => {
    const { id } = await world.project();
    const group = await world.releaseGroup();
    const [one, two] = [await world.chapter(id, { number: '1' }), await world.chapter(id, { number: '2' })];
    expect((await patch(two.id, { title: 'New' })).status).toBe(428);
    expect((await patch(two.id, { title: 'New', version: 1 })).status).toBe(412);
    expect((await patch(two.id, { number: '1.0', version: 2 })).body.code).toBe('chapter_exists');
    const changed = await patch(two.id, { number: '1.0', release_group_ids: [group.id], version: 2 });
    expect(changed.body).toMatchObject({ number: '1.0', version: 3, release_groups: [{ id: group.id }] });
    expect((await patch(two.id, { release_group_ids: [], version: 3 })).body.code).toBe('chapter_exists');
    expect((await patch(one.id, { sort_as: '5', version: 2 })).body.sort_as).toBe('5');
    expect((await list(id)).body.items.map((chapter) => chapter.id)).toEqual([two.id, one.id]);
    expect((await patch(one.id, { release_group_ids: [UNKNOWN_ID], version: 3 })).body.code).toBe(
      'release_group_not_found',
    );
    expect((await list(id, `?release_group=${group.id}`)).body.items.map((chapter) => chapter.id)).toEqual([two.id]);
  });

  it('know the visible chapters before and after them in their language, those of the same groups first', async () => {
    const { id } = await world.project();
    const groups = [(await world.releaseGroup()).id, (await world.releaseGroup()).id];
    const add = (number: string | null, fields: object = {}) => world.chapter(id, { number, ...fields });
    const one = await add('1', { release_group_ids: [groups[0]] });
    const other = await add('2', { release_group_ids: [groups[1]] });
    const same = await add('2', { release_group_ids: [groups[0]] });
    await add('2.5', { language: 'de' });
    await add('2.6', { is_hidden: true });
    await add('2.7', { state: 'draft' });
    await add('2.8', { release_at: new Date(t.clock.now() + HOUR_MS) });
    const last = await add(null);
    const neighboursOf = async (chapterId: string) => {
      const { previous_id, next_id } = (await get(chapterId)).body;
      return [previous_id, next_id];
    };
    expect(await neighboursOf(one.id)).toEqual([null, same.id]);
    expect(await neighboursOf(same.id)).toEqual([one.id, last.id]);
    expect(await neighboursOf(other.id)).toEqual([one.id, last.id]);
    expect(await neighboursOf(last.id)).toEqual([expect.stringMatching(`${same.id}|${other.id}`), null]);
  });

  it('are created and changed with upload_chapters only, projects with manage_projects only', async () => {
    const { id } = await world.project();
    const chapter = await world.chapter(id);
    expect((await post(id, { number: '9', language: 'en' }, world.manager.token)).status).toBe(403);
    expect((await patch(chapter.id, { title: 'X', version: 2 }, world.manager.token)).status).toBe(403);
    const remove = (by: string) => t.request('DELETE', `/api/chapters/${chapter.id}?version=2`, { token: by });
    expect((await remove(world.manager.token)).status).toBe(403);
    expect((await t.request('PATCH', `/api/projects/${id}`, { token, body: { version: 1 } })).status).toBe(403);
    const other = await t.user('upload_chapters');
    expect((await patch(chapter.id, { title: 'X', version: 2 }, other.token)).body).toMatchObject({ title: 'X' });
    expect((await t.request('DELETE', `/api/chapters/${chapter.id}?version=3`, { token: other.token })).status).toBe(
      204,
    );
    expect((await get(chapter.id, token)).status).toBe(404);
    const draft = await world.chapter(id, { state: 'draft' });
    expect((await patch(draft.id, { title: 'X', version: 1 }, other.token)).body.code).toBe('chapter_not_found');
    const admin = await t.asAdmin();
    expect((await post(id, { number: '9', language: 'en' }, admin)).status).toBe(201);
    expect((await patch(draft.id, { title: 'X', version: 1 }, admin)).status).toBe(200);
  });

  it.each([
    [{ number: '' }, 'number'],
    [{ number: 3.1 }, 'number'],
    [{ number: '-1' }, 'number'],
    [{ number: 'x'.repeat(21) }, 'number'],
    [{ number: '10½' }, 'number'],
    [{ number: '10²' }, 'number'],
    [{ number: '\ufdfa\ufdfa' }, 'number'], // each stands for 18 characters
    [{ number: '1\u0000' }, undefined],
    [{ sort_as: '1/2' }, 'sort_as'],
    [{ title: '' }, 'title'],
    [{ language: 'xx-invalid-' }, 'language'],
    [{ release_group_ids: ['x'] }, 'release_group_ids'],
    [{ release_group_ids: [UNKNOWN_ID, UNKNOWN_ID.toUpperCase()] }, 'release_group_ids'],
    [{ release_at: '2027-01-18' }, 'release_at'],
    [{ release_at: '2027-02-30T00:00:00Z' }, 'release_at'],
    [{ release_at: '2027-01-18T00:00:00+99:99' }, 'release_at'],
    [{ release_at: 1_800_000_000 }, 'release_at'],
    [{ state: 'published' }, 'state'],
    [{ uploader_id: UNKNOWN_ID }, 'uploader_id'],
  ])('POST refuses %j', async (fields, path) => {
    const { id } = await world.project();
    const answer = await post(id, { number: '1', language: 'en', ...fields });
    expect([answer.status, answer.body.code]).toEqual(
      path === undefined ? [400, 'invalid_text'] : [422, 'validation_failed'],
    );
    if (path !== undefined) expect(answer.body.errors?.map((error) => error.path)).toContain(path);
  });

  it('POST answers 404 for unknown projects and release groups', async () => {
    expect((await post(UNKNOWN_ID, { number: '1', language: 'en' })).body.code).toBe('project_not_found');
    const { id } = await world.project();
    const body = { number: '1', language: 'en', release_group_ids: [UNKNOWN_ID] };
    expect((await post(id, body)).body.code).toBe('release_group_not_found');
  });
});

describe('GET /api/chapters/latest', () => {
  it('sorts by the time at which the caller could first read a chapter', async () => {
    const start = t.clock.now();
    const { id } = await world.project();
    const at = (hours: number) => new Date(start + hours * HOUR_MS);
    const early = await t.user();
    await t.dataSource.query(
      `with g as (insert into groups (id, name, permissions, early_access_days, created_at, updated_at)
        values (gen_random_uuid(), 'Supporters', '{}', 2, now(), now()) returning id)
        insert into group_members (group_id, user_id, created_at) select id, $1, now() from g`,
      [early.id],
    );
    t.clock.set(start);
    const planned = await world.chapter(id, { language: 'is', release_at: at(60) });
    const hidden = await world.chapter(id, { language: 'is', is_hidden: true });
    t.clock.advance(24 * HOUR_MS);
    const immediate = await world.chapter(id, { language: 'is' });
    await patch(hidden.id, { is_hidden: true, version: 2 });
    const read = async (by?: string) => (await latest('?language=is', by)).body.items.map((chapter) => chapter.id);
    expect(await read()).toEqual([immediate.id]);
    expect(await read(early.token)).toEqual([immediate.id, planned.id]);
    t.clock.set(start + 61 * HOUR_MS);
    expect(await read()).toEqual([planned.id, immediate.id]);
    expect(await read(early.token)).toEqual([immediate.id, planned.id]);
    expect(await read(token)).toEqual([immediate.id, hidden.id, planned.id]);
    t.clock.set(start + 62 * HOUR_MS);
    expect((await patch(hidden.id, { is_hidden: false, version: 2 })).status).toBe(200);
    expect(await read()).toEqual([hidden.id, planned.id, immediate.id]);
    const shown = (await latest('?language=is')).body.items.map(({ readable_at }) => readable_at);
    expect(shown).toEqual([at(62), at(60), at(24)].map((time) => time.toISOString()));
    t.clock.run();
  });

  it('pages through all chapters, each once', async () => {
    const { id } = await world.project();
    for (let i = 0; i < 5; i++) await world.chapter(id, { language: 'fr' });
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await latest(`?language=fr&limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.items.map((chapter) => chapter.id));
      cursor = body.next_cursor;
    }
    expect(new Set(seen).size).toBe(5);
    expect((await latest('?cursor=WzFd')).status).toBe(400);
  });

  it('shows the chapters of a hidden project from the time at which the project is shown', async () => {
    const project = await world.project({ is_hidden: true });
    const admin = await t.asAdmin();
    const created = await post(project.id, { number: '1', language: 'sv' }, admin);
    await world.publish(created.body.id, world.uploader);
    expect((await latest('?language=sv')).body.items).toEqual([]);
    t.clock.advance(HOUR_MS);
    const now = new Date(t.clock.now()).toISOString();
    const body = { version: 1, is_hidden: false };
    await t.request('PATCH', `/api/projects/${project.id}`, { token: world.manager.token, body });
    expect((await latest('?language=sv')).body.items).toMatchObject([{ readable_at: now }]);
    t.clock.run();
  });
});

describe('/api/release-groups', () => {
  it('creates, finds, returns and changes a release group', async () => {
    const body = { name: 'Éclair Translations', website: 'https://eclair.example.org' };
    const created = await t.request('POST', '/api/release-groups', { token, body });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject(body);
    const path = `/api/release-groups/${created.body.id}` as '/api/release-groups/{}';
    expect((await t.request('GET', path)).body).toEqual(created.body);
    const found = await t.request('GET', '/api/release-groups?q=eclair');
    expect(found.body.items).toEqual([created.body]);
    const changed = await t.request('PATCH', path, { token, body: { website: null } });
    expect(changed.body).toMatchObject({ name: body.name, website: null });
    const taken = await t.request('POST', '/api/release-groups', { token, body: { name: 'ÉCLAIR translations' } });
    expect([taken.status, taken.body.code]).toEqual([409, 'release_group_name_taken']);
    for (const website of ['javascript:alert(1)', 'eclair', `https://example.org/${'x'.repeat(300)}`]) {
      const answer = await t.request('PATCH', path, { token, body: { website } });
      expect([website, answer.status]).toEqual([website, 422]);
    }
    expect((await t.request('GET', `/api/release-groups/${UNKNOWN_ID}`)).body['code']).toBe('release_group_not_found');
  });
});

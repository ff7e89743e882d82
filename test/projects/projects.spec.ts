import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { projectsWorld } from '../support/projects/projects.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let token: string;
beforeAll(async () => {
  t = await startApp();
  world = await projectsWorld(t);
  ({ token } = world.manager);
});
afterAll(() => t.stop());

const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

const titlesOf = (answer: { body: object }) =>
  (answer.body as { items: { title: string }[] }).items.map(({ title }) => title);

const search = (query: string) => t.request('GET', `/api/projects?${query}`);

const patch = (id: string, body: object, headers: Record<string, string> = {}) =>
  t.request('PATCH', `/api/projects/${id}` as '/api/projects/{}', { token, body, headers });

const get = (idOrSlug: string, options: { token?: string; headers?: Record<string, string> } = {}) =>
  t.request('GET', `/api/projects/${idOrSlug}` as '/api/projects/{}', options);

describe('/api/projects', () => {
  it('creates a project with all fields, and returns it by its id and by the slug of its title', async () => {
    const fields = {
      title: 'Yokohama Kaidashi Kikō',
      alternative_titles: [{ language: 'ja', title: 'ヨコハマ買い出し紀行' }],
      description: 'A café by the sea.\n\nVisited by few.',
      status: 'completed',
      original_language: 'ja',
      content_rating: 'teen',
      reading_direction: 'right_to_left',
      people: [{ name: 'Hitoshi Ashinano', role: 'author' }],
      is_hidden: false,
    };
    const body = { ...fields, tags: ['slice-of-life', 'robots', 'robots'], original_language: 'JA' };
    const created = await t.request('POST', '/api/projects', { token, body });
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe(`/api/projects/${created.body.id}`);
    expect(created.body).toMatchObject({
      ...fields,
      slug: 'yokohama-kaidashi-kiko',
      tags: ['robots', 'slice-of-life'],
      version: 1,
      chapter_count: 0,
      last_chapter_at: null,
    });
    expect((await get(created.body.id)).body).toEqual(created.body);
    expect((await get(created.body.id.toUpperCase())).body).toEqual(created.body);
    expect((await get('yokohama-kaidashi-kiko')).body).toEqual(created.body);
  });

  it('gives projects of the same title, and of titles without Latin letters, slugs of their own', async () => {
    const [one, other] = [await world.project({ title: 'Same Title' }), await world.project({ title: 'Same title' })];
    expect(one.slug).toBe('same-title');
    expect(other.slug).toMatch(/^same-title-[0-9a-f]{8}$/);
    expect((await world.project({ title: '漫画' })).slug).toMatch(/^project-[0-9a-f]{8}$/);
  });

  it('gives projects of the same title that are created at once slugs of their own', async () => {
    await t.warmUp();
    const body = { title: 'Created at once', original_language: 'ja' };
    const create = () => t.request('POST', '/api/projects', { token, body });
    const answers = await Promise.all(Array.from({ length: 10 }, create));
    expect(answers.map(({ status }) => status)).toEqual(Array<number>(10).fill(201));
    expect(new Set(answers.map(({ body: { slug } }) => slug)).size).toBe(10);
  });

  it('redirects from a former slug, keeps it from other projects, and lets the project take it again', async () => {
    const { id } = await world.project({ slug: 'old-name' });
    await patch(id, { version: 1, slug: 'new-name' });
    const redirect = await get('old-name');
    expect([redirect.status, redirect.headers.get('location')]).toEqual([301, '/api/projects/new-name']);
    expect(redirect.text).toBe('');
    const taken = await t.request('POST', '/api/projects', {
      token,
      body: { title: 'Other', original_language: 'ja', slug: 'old-name' },
    });
    expect([taken.status, taken.body.code]).toEqual([409, 'slug_taken']);
    const other = await world.project();
    expect((await patch(other.id, { version: 1, slug: 'new-name' })).body).toMatchObject({ code: 'slug_taken' });
    expect((await patch(other.id, { version: 1, slug: 'old-name' })).body).toMatchObject({ code: 'slug_taken' });
    expect((await patch('old-name', { version: 2, slug: 'old-name' })).body.slug).toBe('old-name');
    expect((await get('new-name')).headers.get('location')).toBe('/api/projects/old-name');
  });

  it('has a slug once, also when 20 requests take it at once', async () => {
    await t.warmUp();
    const body = { title: 'Race', original_language: 'ja', slug: 'race' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => t.request('POST', '/api/projects', { token, body })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(new Set(answers.map(({ body: { code } }) => code))).toEqual(new Set([undefined, 'slug_taken']));
  });

  it('answers 404 for unknown ids and slugs, and for names that are neither', async () => {
    for (const name of [UNKNOWN_ID, 'no-such-project', 'UPPER', '%20', '..%2f..', "'or 1", 'x'.repeat(500)]) {
      expect([name, (await get(name)).body.code]).toEqual([name, 'project_not_found']);
    }
  });

  it.each([
    [{ title: '' }, 'title'],
    [{ title: 'x'.repeat(201) }, 'title'],
    [{ slug: 'Upper' }, 'slug'],
    [{ slug: 'a--b' }, 'slug'],
    [{ slug: UNKNOWN_ID }, 'slug'],
    [{ slug: null }, 'slug'],
    [{ status: 'done' }, 'status'],
    [{ original_language: 'english!' }, 'original_language'],
    [{ content_rating: 'R18' }, 'content_rating'],
    [{ reading_direction: 'up' }, 'reading_direction'],
    [{ tags: ['Two Words'] }, 'tags'],
    [{ tags: Array.from({ length: 51 }, (_, i) => `tag-${i}`) }, 'tags'],
    [{ tags: 'action' }, 'tags'],
    [{ description: 'x'.repeat(5001) }, 'description'],
    [{ description: 'bell \u0007' }, 'description'],
    [{ people: [{ name: 'A', role: 'king' }] }, 'people.0.role'],
    [{ alternative_titles: [{ language: 'ja' }] }, 'alternative_titles.0.title'],
    [{ is_hidden: 'yes' }, 'is_hidden'],
    [{ version: 1 }, 'version'],
  ])('POST answers 422 for %j and names the field', async (fields, path) => {
    const body = { title: 'Bad', original_language: 'ja', ...fields };
    const answer = await t.request('POST', '/api/projects', { token, body });
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect(answer.body.errors?.map((error) => error.path)).toContain(path);
  });
});

describe('changes of a project', () => {
  it('need the version, as a field or as the ETag in If-Match', async () => {
    const { id } = await world.project();
    expect((await patch(id, { status: 'hiatus' })).body).toMatchObject({ status: 428, code: 'version_required' });
    const etag = (await get(id)).headers.get('etag')!;
    const changed = await patch(id, { status: 'hiatus' }, { 'if-match': etag });
    expect(changed.body).toMatchObject({ status: 'hiatus', version: 2 });
    expect(changed.headers.get('etag')).not.toBe(etag);
    for (const tag of [etag, '"1"', '*', 'W/"2"', '"x"', '2']) {
      const refused = await patch(id, { status: 'ongoing' }, { 'if-match': tag });
      expect([tag, refused.status, refused.body.code]).toEqual([tag, 412, 'version_conflict']);
    }
    expect((await patch(id, { status: 'ongoing', version: 1 })).status).toBe(412);
    expect((await patch(id, { status: 'ongoing', version: 1 }, { 'if-match': '"2"' })).status).toBe(412);
    expect((await patch(id, { status: 'ongoing', version: 2 })).body.version).toBe(3);
    expect((await patch(id, { status: 'ongoing' }, { 'if-match': '"3"' })).body.version).toBe(3);
  });

  it('of one version succeed once when 20 are sent at once', async () => {
    const { id } = await world.project();
    await t.warmUp();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => patch(id, { version: 1, description: `Text ${i}` })),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200,
      ...Array.from({ length: 19 }, () => 412),
    ]);
    const revisions = await t.request('GET', `/api/projects/${id}/revisions` as '/api/projects/{}/revisions', {
      token,
    });
    expect(revisions.body.items).toHaveLength(2);
  });

  it('are listed as revisions, newest first, with the fields that changed and who changed them', async () => {
    const { id } = await world.project({ title: 'First' });
    const editor = await t.user('manage_projects');
    await patch(id, { version: 1, title: 'Second', tags: ['a'] });
    await t.request('PATCH', `/api/projects/${id}`, { token: editor.token, body: { version: 2, status: 'hiatus' } });
    const path = `/api/projects/${id}/revisions` as '/api/projects/{}/revisions';
    const { body } = await t.request('GET', path, { token });
    expect(body.items).toMatchObject([
      { version: 3, user_id: editor.id, changes: { status: 'hiatus' } },
      { version: 2, user_id: world.manager.id, changes: { title: 'Second', tags: ['a'] } },
      { version: 1, user_id: world.manager.id, changes: { title: 'First', slug: 'first' } },
    ]);
    expect(Object.keys(body.items[0]!.changes)).toEqual(['status']);
    const first = await t.request('GET', `${path}?limit=2`, { token });
    const second = await t.request('GET', `${path}?limit=2&cursor=${first.body.next_cursor}`, { token });
    expect(second.body.items.map(({ version }) => version)).toEqual([1]);
  });

  it('leave the version when nothing changes', async () => {
    const titles = [{ language: 'de', title: 'Titel' }];
    const { id } = await world.project({ alternative_titles: titles, people: [{ role: 'author', name: 'A' }] });
    expect((await patch(id, { version: 1, alternative_titles: titles })).body.version).toBe(1);
  });

  it('DELETE removes a project without chapters; with chapters it also needs upload_chapters', async () => {
    const { id } = await world.project();
    const remove = (projectId: string, query: string, by = token) =>
      t.request('DELETE', `/api/projects/${projectId}${query}`, { token: by });
    expect((await remove(id, '')).status).toBe(428);
    expect((await remove(id, '?version=2')).status).toBe(412);
    expect((await remove(id, '?version=1')).status).toBe(204);
    expect((await get(id)).status).toBe(404);
    const full = await world.project();
    await world.chapter(full.id);
    expect((await remove(full.id, '?version=1')).body['code']).toBe('project_has_chapters');
    expect((await remove(full.id, '?version=1', await t.asAdmin())).status).toBe(204);
  });

  it('are audited', async () => {
    const { id } = await world.project();
    await patch(id, { version: 1, status: 'hiatus' });
    await t.request('DELETE', `/api/projects/${id}?version=2`, { token });
    const { body } = await t.request('GET', `/api/audit?subject_id=${id}`, { token: await t.asAdmin() });
    expect(body['items'].map(({ action }: { action: string }) => action)).toEqual([
      'project.deleted',
      'project.changed',
      'project.created',
    ]);
  });
});

describe('GET /api/projects', () => {
  beforeAll(async () => {
    await world.project({
      title: 'Shingeki no Kyojin',
      alternative_titles: [
        { language: 'ja', title: '進撃の巨人' },
        { language: 'en', title: 'Attack on Titan' },
      ],
      people: [{ name: 'Hajime Isayama', role: 'author' }],
      tags: ['action', 'drama'],
      status: 'completed',
      content_rating: 'mature',
    });
    await world.project({ title: 'Pokémon Adventures', tags: ['action', 'children'], content_rating: 'everyone' });
    await world.project({ title: 'One Piece', tags: ['action', 'pirates'], original_language: 'ja' });
    await world.project({ title: 'Straße nach Süden', tags: ['drama'], original_language: 'de' });
  });

  it.each([
    ['attack on titan', 'Shingeki no Kyojin'],
    ['Atack on Titen', 'Shingeki no Kyojin'],
    ['shingeki kyojn', 'Shingeki no Kyojin'],
    ['isayama', 'Shingeki no Kyojin'],
    ['進撃', 'Shingeki no Kyojin'],
    ['pokemon', 'Pokémon Adventures'],
    ['POKÉMÓN', 'Pokémon Adventures'],
    ['pokemno', 'Pokémon Adventures'],
    ['one peice', 'One Piece'],
    ['strasse', 'Straße nach Süden'],
    ['suden', 'Straße nach Süden'],
  ])('finds %s first', async (q, title) => {
    expect(titlesOf(await search(`q=${encodeURIComponent(q)}`))[0]).toBe(title);
  });

  it('takes wildcards and quotes of a term as text', async () => {
    for (const q of ['%', '_', '\\', "'", 'zz%']) {
      const answer = await search(`q=${encodeURIComponent(q)}`);
      expect([q, answer.status, titlesOf(answer)]).toEqual([q, 200, []]);
    }
  });

  it('filters by tags with and without, status, rating and language', async () => {
    expect(titlesOf(await search('tags=action&sort=title'))).toEqual([
      'One Piece',
      'Pokémon Adventures',
      'Shingeki no Kyojin',
    ]);
    expect(titlesOf(await search('tags=action,drama'))).toEqual(['Shingeki no Kyojin']);
    expect(titlesOf(await search('tags=action&without_tags=pirates,drama'))).toEqual(['Pokémon Adventures']);
    expect(titlesOf(await search('tags=action&content_rating=mature,adult'))).toEqual(['Shingeki no Kyojin']);
    expect(titlesOf(await search('tags=action&status=completed'))).toEqual(['Shingeki no Kyojin']);
    expect(titlesOf(await search('original_language=DE'))).toEqual(['Straße nach Süden']);
    for (const query of ['status=done', 'tags=A B', 'sort=best', 'is_hidden=1', 'q=', 'status=completed,x']) {
      expect([query, (await search(query)).status]).toEqual([query, 422]);
    }
  });

  it.each(['sort=title', 'sort=created', 'sort=updated', 'q=pro', 'q=project&sort=title'])(
    'pages through all projects with %s, each once',
    async (query) => {
      const all = await search(`${query}&limit=100`);
      const seen: string[] = [];
      let cursor = '';
      do {
        const { body } = await search(`${query}&limit=3${cursor}`);
        seen.push(...body['items'].map(({ id }: { id: string }) => id));
        cursor = body['next_cursor'] === null ? '' : `&cursor=${body['next_cursor']}`;
      } while (cursor !== '');
      expect(seen).toEqual(all.body['items'].map(({ id }: { id: string }) => id));
      expect(seen.length).toBeGreaterThan(3);
      expect(new Set(seen).size).toBe(seen.length);
    },
  );

  it('sorts by title without regard to case and accents', async () => {
    for (const title of ['Éclair', 'eclipse', 'Echo']) await world.project({ title, tags: ['sorted'] });
    expect(titlesOf(await search('tags=sorted&sort=title'))).toEqual(['Echo', 'Éclair', 'eclipse']);
  });

  it('sorts by the newest chapter that the caller can read', async () => {
    const [old, young] = [await world.project({ tags: ['by-chapter'] }), await world.project({ tags: ['by-chapter'] })];
    t.clock.advance(1000);
    await world.chapter(old.id);
    t.clock.advance(1000);
    await world.chapter(young.id, { is_hidden: true });
    const read = async () => (await search('tags=by-chapter')).body['items'];
    expect((await read()).map(({ id, chapter_count }) => [id, chapter_count])).toEqual([
      [old.id, 1],
      [young.id, 0],
    ]);
    t.clock.run();
  });

  it('answers 400 for cursors of another list', async () => {
    const { body } = await search('sort=title&limit=1');
    const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const cursor of [
      body['next_cursor'],
      'x',
      forged([1]),
      forged([1e99, UNKNOWN_ID]),
      forged(null),
      forged({}),
    ]) {
      const answer = await search(`sort=created&cursor=${cursor}`);
      expect([cursor, answer.status]).toEqual([cursor, 400]);
    }
    expect((await search(`sort=title&cursor=${forged(['\ud800', UNKNOWN_ID])}`)).status).toBe(400);
    for (const score of [Date.now(), -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 42, 2001, 0.5]) {
      const answer = await search(`q=page&cursor=${forged([score, UNKNOWN_ID])}`);
      expect([score, answer.status, answer.body['code']]).toEqual([score, 400, 'invalid_cursor']);
    }
  });
});

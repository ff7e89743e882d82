import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BodyOf } from '../support/api/api-body.js';
import { type Answer, type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { projectsWorld } from '../support/projects/projects.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let reader: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  world = await projectsWorld(t);
  reader = await t.user();
});
afterAll(() => t.stop());

const write = (fields: object = {}) =>
  world.create('/api/announcements', { kind: 'announcement', title: 'News', body: 'Text', ...fields }, world.manager);

const idsFor = async (token: string | undefined, query = '') => {
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const path = `/api/announcements?limit=2${query}${cursor && `&cursor=${cursor}`}` as '/api/announcements';
    const { body }: Answer<BodyOf<'GET', '/api/announcements'>> = await t.request('GET', path, { token });
    ids.push(...body.items.map(({ id }) => id));
    cursor = body.next_cursor;
  }
  return ids;
};

const unread = async (token: string) =>
  (await t.request('GET', '/api/me/announcements/unread', { token })).body.unread_count;

it('announcements are written with manage_projects only, with their Markdown as it is', async () => {
  const body = '**Bold** <script>alert(1)</script>\n\n- a';
  const created = await write({ kind: 'post', body });
  const found = await t.request('GET', `/api/announcements/${created.id}` as '/api/announcements/{}');
  expect(found.body).toMatchObject({ kind: 'post', body, author_id: world.manager.id, is_read: false, version: 1 });
  const refused = { kind: 'post', title: 'x', body: 'y' };
  expect((await t.request('POST', '/api/announcements', { token: world.uploader.token, body: refused })).status).toBe(
    403,
  );
  for (const fields of [
    { title: '' },
    { kind: 'news' },
    { body: 'x'.repeat(30_001) },
    { body: 'a\0b' },
    { published_at: 'now' },
  ]) {
    const { status } = await t.request('POST', '/api/announcements', {
      token: world.manager.token,
      body: { ...refused, ...fields },
    });
    expect([fields, status >= 400 && status < 500]).toEqual([fields, true]);
  }
});

it('an announcement may have 30,000 characters in any script', async () => {
  const body = '港'.repeat(30_000);
  expect((await write({ body })).body).toBe(body);
});

it('GET /api/feeds/announcements lists what is published and visible in each format, by kind too', async () => {
  const hidden = await world.project({ is_hidden: true });
  const body = 'First & <b>line</b>\nsecond ]]> line';
  const news = await write({ title: 'Feed & news', body });
  const post = await write({ kind: 'post', title: 'A post' });
  const later = await write({ published_at: new Date(t.clock.now() + 60_000) });
  const ofHidden = await write({ project_id: hidden.id });
  for (const format of ['rss', 'atom', 'json']) {
    const path = `/api/feeds/announcements.${format}`;
    const seen = async (query = '', token?: string) => {
      const { status, text } = await t.request('GET', `${path}${query}`, { token });
      expect([path, status]).toEqual([path, 200]);
      return [news, post, later, ofHidden].map(({ id }) => text.includes(`urn:uuid:${id}`));
    };
    expect(await seen()).toEqual([true, true, false, false]);
    expect(await seen('', world.manager.token)).toEqual([true, true, false, true]);
    expect(await seen('?kind=post')).toEqual([false, true, false, false]);
  }
  const rss = await t.request('GET', '/api/feeds/announcements.rss?kind=announcement');
  expect(rss.text).toContain('<title>Feed &amp; news</title>');
  // HTML in XML: escaped twice, so that a reader shows the text as it was written.
  expect(rss.text).toContain('First &amp;amp; &amp;lt;b&amp;gt;line&amp;lt;/b&amp;gt;&lt;br&gt;second ]]&amp;gt; line');
  const json = await t.request('GET', '/api/feeds/announcements.json?kind=announcement');
  const { items } = JSON.parse(json.text) as { items: { content_text: string }[] };
  expect(items[0]).toMatchObject({ title: 'Feed & news', content_text: body });
  expect(items[0]).not.toHaveProperty('language');
  expect((await t.request('GET', '/api/feeds/announcements.xml')).body['code']).toBe('feed_not_found');
});

it('announcements to come, and those of hidden projects, are visible to those who may see them only', async () => {
  const hidden = await world.project();
  const later = await write({ published_at: new Date(t.clock.now() + 60_000) });
  const ofHidden = await write({ project_id: hidden.id });
  await t.request('PATCH', `/api/projects/${hidden.id}`, {
    token: world.manager.token,
    body: { version: 1, is_hidden: true },
  });
  const viewer = await t.user('view_hidden');
  const seenBy = async (token: string | undefined) => {
    const listed = await idsFor(token);
    const statuses = await Promise.all(
      [later, ofHidden].map(({ id }) => t.request('GET', `/api/announcements/${id}`, { token })),
    );
    expect([later, ofHidden].map(({ id }) => listed.includes(id))).toEqual(
      statuses.map(({ status }) => status === 200),
    );
    return statuses.map(({ status }) => status);
  };
  expect(await seenBy(undefined)).toEqual([404, 404]);
  expect(await seenBy(reader.token)).toEqual([404, 404]);
  expect(await seenBy(viewer.token)).toEqual([404, 200]);
  expect(await seenBy(world.manager.token)).toEqual([200, 200]);
  expect((await t.request('PUT', `/api/announcements/${later.id}/read`, { token: reader.token })).status).toBe(404);
  t.clock.advance(60_000);
  expect(await seenBy(undefined)).toEqual([200, 404]);
});

it('read marks belong to a user; lists, single announcements and the count follow them', async () => {
  const { token } = reader;
  await t.request('PUT', '/api/me/announcements/read', { token });
  expect(await unread(token)).toBe(0);
  const [first, second] = [await write(), await write()];
  expect(await unread(token)).toBe(2);
  for (let i = 0; i < 2; i++)
    expect((await t.request('PUT', `/api/announcements/${first.id}/read`, { token })).status).toBe(204);
  expect(await unread(token)).toBe(1);
  expect(await idsFor(token, '&is_read=false')).toEqual([second.id]);
  expect(
    (await t.request('GET', `/api/announcements/${first.id}` as '/api/announcements/{}', { token })).body.is_read,
  ).toBe(true);
  expect(await unread((await t.user()).token)).toBeGreaterThan(1);
  await t.request('DELETE', `/api/announcements/${first.id}/read`, { token });
  expect(await unread(token)).toBe(2);
  await t.request('PUT', '/api/me/announcements/read', { token });
  expect(await unread(token)).toBe(0);
});

it('the list is paged, newest first, by kind and project, each announcement once', async () => {
  const project = await world.project();
  const written: string[] = [];
  for (let i = 0; i < 5; i++)
    written.push((await write({ project_id: project.id, kind: i % 2 ? 'post' : 'announcement' })).id);
  expect(await idsFor(undefined, `&project_id=${project.id}`)).toEqual(written.toReversed());
  expect(await idsFor(undefined, `&project_id=${project.id}&kind=post`)).toEqual([written[3], written[1]]);
});

it('changes and removals name the version that they are based on', async () => {
  const { token } = world.manager;
  const { id } = await write();
  const path = `/api/announcements/${id}` as '/api/announcements/{}';
  expect((await t.request('PATCH', path, { token, body: { title: 'New' } })).body).toMatchObject({
    code: 'version_required',
  });
  const changed = await t.request('PATCH', path, { token, body: { title: 'New', version: 1 } });
  expect([changed.status, changed.body]).toMatchObject([200, { title: 'New', version: 2 }]);
  expect((await t.request('PATCH', path, { token, body: { title: 'Old', version: 1 } })).status).toBe(412);
  expect((await t.request('DELETE', `${path}?version=1`, { token })).status).toBe(412);
  expect(
    (await t.request('DELETE', path, { token, headers: { 'if-match': changed.headers.get('etag')! } })).status,
  ).toBe(204);
  expect((await t.request('GET', path)).status).toBe(404);
});

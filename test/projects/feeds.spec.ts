import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { imageFile } from '../support/files/images.js';
import { isFeed, isPublication } from '../support/projects/opds2.js';
import { projectsWorld } from '../support/projects/projects.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let reader: SignedInUser;
beforeAll(async () => {
  t = await startApp({ env: { PUBLIC_URL: 'https://machi.example.org' } });
  world = await projectsWorld(t);
  reader = await t.user();
});
afterAll(() => t.stop());

const HOSTILE = `Fire & "Ice" ]]> <b>'x'</b> ]]> <script>`;
const ESCAPED = 'Fire &amp; &quot;Ice&quot; ]]&gt; &lt;b&gt;&#39;x&#39;&lt;/b&gt; ]]&gt; &lt;script&gt;';

const FORMATS = [
  ['rss', 'application/rss+xml; charset=utf-8'],
  ['atom', 'application/atom+xml; charset=utf-8'],
  ['json', 'application/feed+json; charset=utf-8'],
] as const;

const newToken = async (name = 'Reader') =>
  (await t.request('POST', '/api/me/feed-tokens', { token: reader.token, body: { name } })).body;

const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`any:${password}`).toString('base64')}` });

describe('feeds', () => {
  it.each(FORMATS)('of all and of one project list the latest chapters as .%s', async (format, type) => {
    const project = await world.project({ title: HOSTILE });
    const chapter = await world.chapter(project.id, { number: '3.10', volume: '2', title: 'The Lighthouse' });
    for (const path of [`latest.${format}`, `projects/${project.id}.${format}`, `projects/${project.slug}.${format}`]) {
      const answer = await t.request('GET', `/api/feeds/${path}`);
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([path, 200, type]);
      expect(answer.text).toContain(`urn:uuid:${chapter.id}`);
      expect(answer.text).toContain(`https://machi.example.org/api/chapters/${chapter.id}`);
      const title = format === 'json' ? HOSTILE.replaceAll('"', '\\"') : ESCAPED;
      expect(answer.text).toContain(`${title} – Vol. 2 Chapter 3.10: The Lighthouse`);
      expect(answer.headers.get('cache-control')).toBe('private, no-cache');
    }
  });

  it('in JSON follow JSON Feed 1.1', async () => {
    const { text } = await t.request('GET', '/api/feeds/latest.json?language=en');
    const feed = JSON.parse(text) as { items: { id: string; date_published: string }[] };
    expect(feed).toMatchObject({
      version: 'https://jsonfeed.org/version/1.1',
      title: 'Latest chapters',
      feed_url: 'https://machi.example.org/api/feeds/latest.json',
    });
    const dates = feed.items.map((item) => item.date_published);
    expect(dates).toEqual(dates.toSorted().toReversed());
  });

  it('answer 304 to a reader that has the same, and 200 after a new chapter', async () => {
    const project = await world.project();
    const path = `/api/feeds/projects/${project.id}.atom`;
    const etag = (await t.request('GET', path)).headers.get('etag')!;
    const poll = () => t.request('GET', path, { headers: { 'if-none-match': etag } });
    expect((await poll()).status).toBe(304);
    await world.chapter(project.id);
    expect((await poll()).status).toBe(200);
  });

  it.each(['/api/opds', '/api/opds/v2', '/api/opds/search.xml'])(
    '%s answers 304 to a client that has it',
    async (path) => {
      const etag = (await t.request('GET', path)).headers.get('etag')!;
      t.clock.advance(1_000);
      expect((await t.request('GET', path, { headers: { 'if-none-match': etag } })).status).toBe(304);
      t.clock.set(Date.now());
    },
  );

  it('answer 404 for other endings and unknown projects', async () => {
    for (const path of ['latest.xml', 'latest.constructor', 'me/x.rss', 'me/mft_.rss']) {
      expect([path, (await t.request('GET', `/api/feeds/${path}`)).body['code']]).toEqual([path, 'feed_not_found']);
    }
    expect((await t.request('GET', '/api/feeds/projects/none.rss')).body['code']).toBe('project_not_found');
    expect((await t.request('GET', '/api/feeds/latest.rss?language=!')).status).toBe(422);
  });

  it.each(FORMATS)('of a feed token list what its user follows as .%s, until the token is revoked', async (format) => {
    const { id, token, feed_url } = await newToken(`Reader ${format}`);
    expect(feed_url).toBe(`https://machi.example.org/api/feeds/me/${token}`);
    const followed = await world.chapter((await world.project()).id);
    const other = await world.chapter((await world.project()).id);
    const { body } = await t.request('GET', `/api/chapters/${followed.id}` as '/api/chapters/{}');
    await t.request('PUT', `/api/projects/${body.project.id}/follow`, { token: reader.token });
    const path = `/api/feeds/me/${token}.${format}`;
    const { status, text } = await t.request('GET', path);
    expect([status, text.includes(followed.id), text.includes(other.id)]).toEqual([200, true, false]);
    expect((await t.request('DELETE', `/api/me/feed-tokens/${id}`, { token: reader.token })).status).toBe(204);
    expect((await t.request('GET', path)).body['code']).toBe('feed_not_found');
  });
});

describe('feed tokens', () => {
  it('are listed without their secrets, and belong to their user', async () => {
    const created = await newToken('Tablet');
    expect(created.token).toMatch(/^mft_[\w-]{43}$/);
    const list = await t.request('GET', '/api/me/feed-tokens', { token: reader.token });
    expect(list.body.items).toContainEqual({ id: created.id, name: 'Tablet', created_at: created.created_at });
    expect(list.text).not.toContain(created.token);
    const other = await t.user();
    const path = `/api/me/feed-tokens/${created.id}`;
    expect((await t.request('DELETE', path, { token: other.token })).body['code']).toBe('feed_token_not_found');
    expect((await t.request('GET', '/api/me/feed-tokens', { token: other.token })).body.items).toEqual([]);
  });

  it('are neither stored nor logged', async () => {
    const { token } = await newToken();
    await t.request('GET', `/api/feeds/me/${token}.rss`);
    await t.request('GET', '/api/opds/follows', { headers: basic(token) });
    const rows = await t.dataSource.query<unknown[]>('select token_hash::text, name from feed_tokens');
    expect(JSON.stringify(rows)).not.toContain(token);
    expect(t.logLines.join('')).not.toContain(token);
  });

  it('are at most 20 for a user, also when 30 requests create one at once', async () => {
    const user = await t.user();
    await t.warmUp();
    const answers = await Promise.all(
      Array.from({ length: 30 }, () =>
        t.request('POST', '/api/me/feed-tokens', { token: user.token, body: { name: 'x' } }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
    expect(answers.find(({ status }) => status !== 201)?.body.code).toBe('too_many_feed_tokens');
  });

  it('read nothing once their user is deactivated, and change nothing', async () => {
    const user = await t.user('upload_chapters');
    const { body } = await t.request('POST', '/api/me/feed-tokens', { token: user.token, body: { name: 'x' } });
    const path = `/api/feeds/me/${body.token}.rss`;
    expect((await t.request('GET', path)).status).toBe(200);
    for (const headers of [basic(body.token), { authorization: `Bearer ${body.token}` }]) {
      const change = { headers, body: { name: 'Group' } };
      expect((await t.request('POST', '/api/release-groups', change)).status).toBe(401);
      expect((await t.request('GET', '/api/users/me', { headers })).status).toBe(401);
    }
    const token = await t.asAdmin();
    await t.request('PATCH', `/api/users/${user.id}`, { token, body: { is_active: false } });
    expect((await t.request('GET', path)).status).toBe(404);
    expect((await t.request('GET', '/api/opds', { headers: basic(body.token) })).status).toBe(401);
  });
});

describe('OPDS', () => {
  it('1.2 leads from the root over the projects to the chapters and their downloads', async () => {
    const project = await world.project({ title: HOSTILE });
    const group = await world.releaseGroup({ name: 'A & B' });
    const chapter = await world.chapter(project.id, { release_group_ids: [group.id] });
    const root = await t.request('GET', '/api/opds');
    expect(root.headers.get('content-type')).toBe(
      'application/atom+xml;profile=opds-catalog;kind=navigation;charset=utf-8',
    );
    expect(root.text).toContain('href="/api/opds/projects"');
    expect(root.text).toContain('href="/api/opds/search.xml"');
    expect(root.text).not.toContain('/follows');
    const projects = await t.request('GET', `/api/opds/projects?query=${encodeURIComponent('Fire Ice')}`);
    expect(projects.text).toContain(`<title>${ESCAPED}</title>`);
    expect(projects.text).toContain(`href="/api/opds/projects/${project.id}"`);
    const chapters = await t.request('GET', `/api/opds/projects/${project.id}`);
    expect(chapters.headers.get('content-type')).toContain('kind=acquisition');
    expect(chapters.text).toContain(
      `<link rel="http://opds-spec.org/acquisition/open-access" href="/api/chapters/${chapter.id}/download.cbz" type="application/vnd.comicbook+zip"/>`,
    );
    expect(chapters.text).toContain('<contributor><name>A &amp; B</name></contributor>');
    const search = await t.request('GET', '/api/opds/search.xml');
    expect(search.text).toContain('template="/api/opds/projects?query={searchTerms}"');
  });

  it('2.0 has the same catalogues, as its schema demands them', async () => {
    const project = await world.project({ title: HOSTILE });
    const chapter = await world.chapter(project.id, { number: '7' });
    await world.addPages(chapter.id, [await imageFile(1)]);
    const draft = await world.chapter(project.id, { number: '8', state: 'draft' });
    const root = await t.request('GET', '/api/opds/v2');
    expect(root.headers.get('content-type')).toBe('application/opds+json');
    expect(root.body['navigation']).toContainEqual({
      title: 'Projects',
      href: '/api/opds/v2/projects',
      rel: 'subsection',
      type: 'application/opds+json',
    });
    // Its uploader sees the draft, which has nothing to download yet.
    const { token } = world.uploader;
    const { body, text } = await t.request('GET', `/api/opds/v2/projects/${project.slug}`, { token });
    expect(text).not.toContain(draft.id);
    expect(body['metadata']).toMatchObject({ title: HOSTILE });
    const self = `/api/opds/v2/chapters/${chapter.id}`;
    const publication = {
      metadata: { identifier: `urn:uuid:${chapter.id}`, title: `${HOSTILE} – Chapter 7`, numberOfPages: 1 },
      links: [
        { rel: 'self', href: self, type: 'application/opds-publication+json' },
        {
          rel: 'http://opds-spec.org/acquisition/open-access',
          href: `/api/chapters/${chapter.id}/download.cbz`,
          type: 'application/vnd.comicbook+zip',
        },
      ],
      images: [
        { href: `/api/opds/chapters/${chapter.id}/pages/0?width=256`, type: 'image/jpeg' },
        { href: `/api/opds/chapters/${chapter.id}/pages/0`, type: 'image/jpeg' },
      ],
    };
    expect(body['publications']).toMatchObject([publication]);
    for (const { href, type } of publication.images)
      expect((await t.request('GET', href)).headers.get('content-type')).toBe(type);
    const one = await t.request('GET', self);
    expect(one.headers.get('content-type')).toBe('application/opds-publication+json');
    expect(one.body).toMatchObject(publication);
    for (const id of [draft.id, project.id])
      expect((await t.request('GET', `/api/opds/v2/chapters/${id}`, { token })).body['code']).toBe('chapter_not_found');
  });

  it('2.0 has what its schemas require, in every catalogue and publication', async () => {
    const chapter = await world.chapter((await world.project()).id);
    await world.addPages(chapter.id, [await imageFile(1)]);
    const list = (await t.request('GET', '/api/opds/v2/projects')).body['navigation'] as { href: string }[];
    const paths = ['/api/opds/v2', '/api/opds/v2/projects', '/api/opds/v2/latest', list[0]!.href];
    for (const path of paths) {
      const { body } = await t.request('GET', path);
      expect([path, isFeed(body), isFeed.errors]).toEqual([path, true, null]);
    }
    const { body } = await t.request('GET', `/api/opds/v2/chapters/${chapter.id}`);
    expect([isPublication(body), isPublication.errors]).toEqual([true, null]);
    expect(isPublication({ ...body, links: [] })).toBe(false);
  });

  it('names no image of a format that its specifications do not allow', async () => {
    const project = await world.project();
    const chapter = await world.chapter(project.id);
    await world.addPages(chapter.id, [await imageFile(1, 'webp')]);
    const path = `/api/opds/chapters/${chapter.id}/pages/0?width=256`;
    const { body } = await t.request('GET', `/api/opds/v2/projects/${project.id}`);
    expect(body['publications'][0].images).toEqual([{ href: path, type: 'image/jpeg' }]);
    const { text } = await t.request('GET', `/api/opds/projects/${project.id}`);
    const links = [
      ...text.matchAll(/rel="http:\/\/opds-spec.org\/image(?:\/thumbnail)?" href="([^"]+)" type="([^"]+)"/g),
    ];
    expect(links.map(([, href, type]) => [href, type])).toEqual([
      [path, 'image/jpeg'],
      [path, 'image/jpeg'],
    ]);
  });

  it('pages by links to the next page, each chapter once', async () => {
    const project = await world.project();
    for (let i = 0; i < 53; i++) await world.chapter(project.id, { number: String(i) });
    for (const start of [`/api/opds/v2/projects/${project.id}`, '/api/opds/v2/latest']) {
      const seen: string[] = [];
      for (let path: string | undefined = start; path !== undefined;) {
        const { body } = (await t.request('GET', path)) as { body: Record<string, Record<string, never>[]> };
        seen.push(
          ...body['publications']!.map(({ metadata }) => (metadata as unknown as { identifier: string }).identifier),
        );
        path = body['links']!.find(({ rel }) => rel === 'next')?.['href'];
      }
      expect(seen.length).toBeGreaterThan(52);
      expect(new Set(seen).size).toBe(seen.length);
    }
    const first = await t.request('GET', '/api/opds/latest');
    expect(first.text).toMatch(/<link rel="next" href="\/api\/opds\/latest\?cursor=[\w-]+"/);
    expect((await t.request('GET', '/api/opds/latest?cursor=x')).status).toBe(400);
  });

  it('takes a feed token as the password, and asks for it where one is needed', async () => {
    const { token, id } = await newToken('Comic reader');
    const asked = await t.request('GET', '/api/opds/follows');
    expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer, Basic realm="Machi", charset="UTF-8"',
    ]);
    const read = (path: string, password = token) => t.request('GET', path, { headers: basic(password) });
    expect((await read('/api/opds')).text).toContain('/api/opds/follows');
    expect((await read('/api/opds/v2/follows')).status).toBe(200);
    expect((await read('/api/opds', 'password of a proxy')).status).toBe(200);
    await t.request('DELETE', `/api/me/feed-tokens/${id}`, { token: reader.token });
    expect((await read('/api/opds')).status).toBe(401);
  });
});

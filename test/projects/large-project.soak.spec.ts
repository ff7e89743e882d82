import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { projectsWorld } from '../support/projects.js';

const CHAPTERS = 3000;
const PAGES = 100_000;

let t: TestApp;
let projectId: string;
beforeAll(async () => {
  t = await startApp();
  const world = await projectsWorld(t);
  projectId = (await world.project({ title: 'Endless Harbour' })).id;
  await t.queryWithoutTimeLimit(
    `insert into chapters (id, project_id, number, number_key, sort_key, language, groups_key, state, published_at,
      shown_at, page_count, created_at, updated_at)
    select gen_random_uuid(), $1, i::text, i::text, lpad(i::text, 12, '0'), 'en', '', 'published', now(), now(), 33, now(), now()
    from generate_series(1, $2::int) i`,
    [projectId, CHAPTERS],
  );
  await t.queryWithoutTimeLimit(
    `insert into pages (id, chapter_id, position, format, width, height, sizes, crc32)
    select gen_random_uuid(), c.id, 1 + i / $1::int, 'jpeg', 1784, 2560, '{}', 0
    from generate_series(0, $2::int - 1) i
    join (select id, row_number() over () - 1 as n from chapters) c on c.n = i % $1::int`,
    [CHAPTERS, PAGES],
  );
  await t.queryWithoutTimeLimit('analyze');
});
afterAll(() => t.stop());

/** The statements that a request sends, and the tables that their plans read as a whole. */
async function scannedTables(path: string): Promise<string[]> {
  const spy = vi.spyOn(pg.Client.prototype, 'query');
  const { status } = await t.request('GET', path);
  const calls = spy.mock.calls as unknown as [string | pg.QueryConfig, unknown[]?][];
  const statements = calls
    .map(([query, values]): [string, unknown[]] =>
      typeof query === 'string' ? [query, values ?? []] : [query.text, query.values ?? []],
    )
    .filter(([text]) => /^\s*select/i.test(text));
  spy.mockRestore();
  expect([path, status, statements.length > 0]).toEqual([path, 200, true]);
  const plans = await Promise.all(
    statements.map(async ([text, values]) =>
      JSON.stringify(await t.dataSource.query(`explain (format json) ${text}`, values)),
    ),
  );
  return plans.flatMap((plan) =>
    [...plan.matchAll(/"Node Type":"Seq Scan"[^{}]*?"Relation Name":"(chapters|pages)"/g)].map(([, name]) => name!),
  );
}

it('a project of 3,000 chapters and 100,000 pages is listed and paged to its end, each chapter once', async () => {
  const seen = new Set<string>();
  for (let cursor: string | null = ''; cursor !== null;) {
    const answer = await t.request(
      'GET',
      `/api/projects/${projectId}/chapters?limit=100${cursor && `&cursor=${cursor}`}`,
    );
    const body = answer.body as unknown as { items: { id: string }[]; next_cursor: string | null };
    for (const { id } of body.items) seen.add(id);
    cursor = body.next_cursor;
  }
  expect(seen.size).toBe(CHAPTERS);
});

it('a page of its list and a chapter with its pages are read by indexes', async () => {
  const [row] = await t.dataSource.query<{ id: string }[]>(
    'select id from chapters order by sort_key offset 1500 limit 1',
  );
  const paths = [`/api/projects/${projectId}/chapters?limit=50`, `/api/chapters/${row!.id}`, '/api/chapters/latest'];
  for (const path of paths) expect([path, await scannedTables(path)]).toEqual([path, []]);
  const plan = JSON.stringify(
    await t.dataSource.query(`explain (format json) select id from pages where chapter_id = $1 order by position`, [
      row!.id,
    ]),
  );
  expect(plan).toContain('pages_position_key');
});

it('its search finds it, and counts its chapters, within a second', async () => {
  const start = performance.now();
  const { body } = await t.request('GET', '/api/projects?q=endles%20harbor' as '/api/projects');
  expect(body.items).toMatchObject([{ id: projectId, chapter_count: CHAPTERS }]);
  expect(performance.now() - start).toBeLessThan(1000);
});

import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { projectsWorld } from '../support/projects/projects.js';
import { nodesOf, type PlanNode, rowsRead, scannedTables } from '../support/statements/query-plan.js';

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

/** The plans of the statements that a request sends, with what they have read. */
async function plansOf(path: string): Promise<PlanNode[]> {
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
  return Promise.all(
    statements.map(async ([text, values]) => {
      const [row] = await t.dataSource.query<ExplainRow[]>(`explain (analyze, format json) ${text}`, values);
      return row!['QUERY PLAN'][0].Plan;
    }),
  );
}

interface ExplainRow {
  'QUERY PLAN': [{ Plan: PlanNode }];
}

/** The large tables that the statements of a request read from start to end. */
const scannedBy = async (path: string): Promise<string[]> =>
  (await plansOf(path)).flatMap(scannedTables).filter((table) => ['chapters', 'pages'].includes(table));

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
  for (const path of paths) expect([path, await scannedBy(path)]).toEqual([path, []]);
  const plan = JSON.stringify(
    await t.dataSource.query(`explain (format json) select id from pages where chapter_id = $1 order by position`, [
      row!.id,
    ]),
  );
  expect(plan).toContain('pages_position_key');
});

it('the latest chapters are read without those that wait for approval', async () => {
  await t.queryWithoutTimeLimit(
    `insert into chapters (id, project_id, number, number_key, sort_key, language, groups_key, state, page_count, created_at, updated_at)
    select gen_random_uuid(), $1, i::text, i::text, lpad(i::text, 12, '0'), 'ja', '', 'review', 33, now(), now()
    from generate_series(1, 2000) i`,
    [projectId],
  );
  const nodes = (await plansOf('/api/chapters/latest?limit=20')).flatMap(nodesOf);
  const read = nodes.filter((node) => node['Relation Name'] === 'chapters').map(rowsRead);
  expect(read.length).toBeGreaterThan(0);
  expect(Math.max(...read)).toBeLessThan(100);
});

it('its search finds it, and counts its chapters, within a second', async () => {
  const start = performance.now();
  const { body } = await t.request('GET', '/api/projects?q=endles%20harbor' as '/api/projects');
  expect(body.items).toMatchObject([{ id: projectId, chapter_count: CHAPTERS }]);
  expect(performance.now() - start).toBeLessThan(1000);
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProjectsModule } from '../../../src/projects/projects.module.js';
import { startApp, type TestApp } from '../../support/app.js';
import { routesOf } from '../../support/api/routes.js';
import {
  type Kind,
  KINDS,
  type Person,
  visibilityWorld,
  type VisibilityWorld,
} from '../../support/projects/visibility.js';
import { CHAPTER_COUNTS } from './chapter-counts.js';
import { CHAPTER_SURFACES } from './chapter-surfaces.js';
import { EXEMPT_ROUTES } from './exempt-routes.js';
import { PROJECT_SURFACES } from './project-surfaces.js';
import { MODERATION_SURFACES, READING_SURFACES } from './reading-surfaces.js';

let t: TestApp;
let world: VisibilityWorld;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '90d', REFRESH_TOKEN_TTL: '90d', SESSION_MAX_AGE: '90d' } });
  world = await visibilityWorld(t);
});
afterAll(() => t.stop());

const OF_CHAPTERS = [...CHAPTER_SURFACES, ...READING_SURFACES, ...MODERATION_SURFACES];

const person = (kind: Kind): Person => world.people.find((each) => each.kind === kind)!;

const namesOf = (rows: { id: string; name: string }[], ids: string[]): string[] => {
  const unknown = ids.filter((id) => !rows.some((row) => row.id === id));
  return [...rows.filter(({ id }) => ids.includes(id)).map(({ name }) => name), ...unknown].toSorted();
};

const seenBy = (rows: { name: string; seenBy: Kind[] }[], kind: Kind): string[] =>
  rows
    .filter((each) => each.seenBy.includes(kind))
    .map(({ name }) => name)
    .toSorted();

it('every route of the module is walked below, or exempt for a reason', () => {
  const walked = new Set([...OF_CHAPTERS, ...PROJECT_SURFACES, ...CHAPTER_COUNTS].flatMap(({ routes }) => routes));
  const routes = routesOf(t.app, ProjectsModule).map(({ name }) => name);
  expect(routes.length).toBeGreaterThan(70);
  expect(routes.filter((name) => !walked.has(name) && !(name in EXEMPT_ROUTES))).toEqual([]);
  expect(Object.keys(EXEMPT_ROUTES).filter((name) => walked.has(name) || !routes.includes(name))).toEqual([]);
  const all = routesOf(t.app).map(({ name }) => name);
  expect([...walked].filter((name) => !all.includes(name))).toEqual([]);
});

describe.each(OF_CHAPTERS)('$name', ({ kinds = [...KINDS], canShow = () => true, idsFor }) => {
  it.each(kinds)('shows exactly the visible chapters to: %s', async (kind) => {
    // Every user has opened every chapter, also those that became invisible.
    await t.dataSource.query(`insert into chapter_progress (user_id, chapter_id, page, is_read, changed_at)
      select b.user_id, c.id, 1, false, date_trunc('milliseconds', now())
      from (select distinct user_id from project_bookmarks) b, chapters c
      on conflict do nothing`);
    const shown = namesOf(world.cases, await idsFor(world, person(kind)));
    expect(shown).toEqual(seenBy(world.cases.filter(canShow), kind));
  });
});

describe.each(PROJECT_SURFACES)('$name', ({ kinds = [...KINDS], idsFor }) => {
  it.each(kinds)('shows exactly the visible projects to: %s', async (kind) => {
    expect(namesOf(world.projects, await idsFor(world, person(kind)))).toEqual(seenBy(world.projects, kind));
  });
});

describe.each(CHAPTER_COUNTS)('$name', ({ kinds, countsFor }) => {
  it.each(kinds)('counts exactly the visible chapters for: %s', async (kind) => {
    const visible = world.projects.filter((project) => project.seenBy.includes(kind));
    const expected = visible.map(({ id }): [string, number] => [
      id,
      world.cases.filter((each) => each.projectId === id && each.seenBy.includes(kind)).length,
    ]);
    expect(await countsFor(world, person(kind))).toEqual(Object.fromEntries(expected));
  });
});

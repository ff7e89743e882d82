import { randomUUID } from 'node:crypto';
import { type SignedInUser, type TestApp } from '../app.js';
import { call, formOf, imageFile } from '../files/images.js';
import { projectsWorld } from './projects.js';

const DAY_MS = 86_400_000;

/** The kinds of readers. `manager` has `manage_projects`, `moderator` that and `view_hidden`. */
export const KINDS = [
  'anonymous',
  'user',
  'early',
  'viewer',
  'uploader',
  'manager',
  'moderator',
  'other uploader',
  'admin',
] as const;
export type Kind = (typeof KINDS)[number];
export const SIGNED_IN: Kind[] = KINDS.filter((kind) => kind !== 'anonymous');
/** The kinds that see every chapter of the world, and the uploader of all of them. */
const PRIVILEGED: Kind[] = ['viewer', 'uploader', 'moderator', 'admin'];

/** A reader. */
export interface Person {
  kind: Kind;
  id: string | undefined;
  token: string | undefined;
  password: string | undefined;
}

/** A chapter, and who sees it when the world begins. */
export interface ChapterCase {
  name: string;
  id: string;
  projectId: string;
  /** Its only page. */
  pageId: string;
  /** A report on it that has been decided. */
  reportId: string;
  state: string;
  seenBy: Kind[];
}

/** A project, and who sees it. */
export interface ProjectCase {
  name: string;
  id: string;
  coverId: string;
  announcementId: string;
  seenBy: Kind[];
}

export type VisibilityWorld = Awaited<ReturnType<typeof visibilityWorld>>;

/** An open and a hidden project with chapters of every state and release, and a reader of every kind. */
export async function visibilityWorld(t: TestApp) {
  const start = t.clock.now();
  t.clock.set(start);
  const world = await projectsWorld(t);
  const { people, early, earlyGroup, viewer } = await readersOf(t, world);
  const open = await world.project({ title: 'Open project' });
  const hidden = await world.project({ title: 'Hidden project' });
  const chapters: Omit<ChapterCase, 'pageId' | 'reportId'>[] = [];

  async function add(name: string, projectId: string, seenBy: readonly Kind[], fields: { state?: string } = {}) {
    const { state = 'published', ...others } = fields;
    const isDraft = state !== 'published';
    const values = { title: name, ...others, ...(isDraft ? { state: 'draft' } : {}) };
    const { id } = await world.chapter(projectId, values);
    if (isDraft) await t.dataSource.query('update chapters set state = $2 where id = $1', [id, state]);
    chapters.push({ name, id, projectId, state, seenBy: [...seenBy] });
  }

  const release = (days: number): object => ({ release_at: new Date(start + days * DAY_MS) });
  await add('published', open.id, KINDS);
  await add('released in the past', open.id, KINDS, release(-1));
  await add('released now', open.id, KINDS, release(0));
  await add('released in 2 days', open.id, [...PRIVILEGED, 'early'], release(2));
  await add('released in 3 days', open.id, [...PRIVILEGED, 'early'], release(3));
  await add('released in 4 days', open.id, PRIVILEGED, release(4));
  await add('hidden', open.id, PRIVILEGED, { is_hidden: true } as object);
  for (const state of ['draft', 'processing', 'review', 'rejected', 'failed']) {
    await add(state, open.id, PRIVILEGED, { state });
  }
  await add('published after invisible ones', open.id, KINDS);
  await add('of a hidden project', hidden.id, PRIVILEGED);
  const page = await imageFile(7);
  const cases: ChapterCase[] = [];
  for (const each of chapters) {
    const [pageId] = await world.addPages(each.id, [page]);
    cases.push({ ...each, pageId: pageId!, reportId: await addReports(t, each.projectId, each.id) });
  }
  const seenBy: Kind[] = [...PRIVILEGED, 'manager'];
  const projects: ProjectCase[] = [
    { name: 'open', seenBy: [...KINDS], ...(await describeProject(t, world, open.id)) },
    { name: 'hidden', seenBy, ...(await describeProject(t, world, hidden.id)) },
  ];
  const hide = { version: 2, is_hidden: true };
  await t.request('PATCH', `/api/projects/${hidden.id}`, { token: world.manager.token, body: hide });
  // Every user follows both projects, also those who do not see the hidden one.
  await t.dataSource.query(`insert into project_bookmarks (user_id, kind, project_id, created_at)
    select u.id, k.kind, p.id, now() from users u, projects p, (values ('follow'), ('favourite')) k (kind)`);
  return { t, ...world, start, people, cases, projects, early, earlyGroup, viewer };
}

/** A user in a group with these rights; the group can be changed later. */
export async function userInGroup(t: TestApp, rights: object): Promise<{ user: SignedInUser; group: string }> {
  const [user, token] = [await t.user(), await t.asAdmin()];
  const group = await t.request('POST', '/api/groups', { token, body: { name: `group ${user.username}`, ...rights } });
  await t.request('PUT', `/api/groups/${group.body['id']}/members/${user.id}`, { token });
  return { user, group: group.body['id'] };
}

async function readersOf(t: TestApp, { uploader, manager }: Awaited<ReturnType<typeof projectsWorld>>) {
  const { user: early, group: earlyGroup } = await userInGroup(t, { early_access_days: 3 });
  // The largest number of days of all groups counts.
  const token = await t.asAdmin();
  const second = await t.request('POST', '/api/groups', { token, body: { name: 'one day', early_access_days: 1 } });
  await t.request('PUT', `/api/groups/${second.body['id']}/members/${early.id}`, { token });
  const viewer = await t.user('view_hidden');
  const admin = (await t.request('GET', '/api/users/me', { token })).body;
  const users: [Kind, Partial<SignedInUser>][] = [
    ['anonymous', {}],
    ['user', await t.user()],
    ['early', early],
    ['viewer', viewer],
    ['uploader', uploader],
    ['manager', manager],
    ['moderator', await t.user('manage_projects', 'view_hidden')],
    ['other uploader', await t.user('upload_chapters')],
    ['admin', { id: admin.id, token }],
  ];
  const people = users.map(([kind, user]): Person => {
    const { id, token: own, password } = user;
    return { kind, id, token: own, password };
  });
  return { people, early, earlyGroup, viewer };
}

/** An open and a decided report of another user. Returns the id of the latter. */
async function addReports(t: TestApp, projectId: string, chapterId: string | null): Promise<string> {
  const decided = randomUUID();
  await t.dataSource.query(
    `insert into reports (id, project_id, chapter_id, reporter_id, reason, text, state, created_at)
      select r.id, $1, $2, null, 'other', '', r.state, now()
      from (values ($3::uuid, 'dismissed'), (gen_random_uuid(), 'open')) r (id, state)`,
    [projectId, chapterId, decided],
  );
  return decided;
}

/** Gives a project a cover, an announcement and a report. */
async function describeProject(t: TestApp, { manager, create }: Awaited<ReturnType<typeof projectsWorld>>, id: string) {
  const init = { body: formOf(await imageFile(3), { field: 'cover' }), headers: { 'if-match': '"1"' } };
  const { status } = await call(t, 'PUT', `/api/projects/${id}/cover`, manager.token, init);
  if (status !== 200) throw new Error(`PUT cover: ${status}`);
  const body = { kind: 'announcement', project_id: id, title: 'News', body: 'Text' };
  const announcement = await create('/api/announcements', body, manager);
  await addReports(t, id, null);
  const [row] = await t.dataSource.query<{ cover_id: string }[]>('select cover_id from projects where id = $1', [id]);
  return { id, coverId: row!.cover_id, announcementId: announcement.id };
}

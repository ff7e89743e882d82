import { imageFile } from '../files/images.js';
import { projectsWorld } from '../projects/projects.js';
import { uploadsWorld } from '../projects/uploads.js';
import { zipOf } from '../files/zip.js';
import type { Walker } from './walker.js';

type World = Awaited<ReturnType<typeof projectsWorld>>;

/** What readers see. */
export async function walkReading(w: Walker): Promise<void> {
  const { person } = w;
  const { id } = await w.queryRow<{ id: string }>(`select id from projects where slug = 'project-1'`);
  const { token } = person;
  for (const query of ['', '?q=harbour', '?tags=slice-of-life,tag-7', '?status=completed', '?original_language=ko'])
    await w.list(`/api/projects${query}`);
  for (const sort of ['title', 'updated', 'created', 'relevance&q=harbour']) await w.list(`/api/projects?sort=${sort}`);
  for (const path of [`projects/${id}/chapters`, `projects/${id}/chapters?language=en&order=desc`, 'chapters/latest'])
    await w.list(`/api/${path}`);
  for (const path of ['chapters/latest?language=en', 'release-groups', 'release-groups?q=scans', 'announcements'])
    await w.list(`/api/${path}`);
  for (const path of ['announcements?kind=post', 'announcements?is_read=false']) await w.list(`/api/${path}`);
  for (const path of ['follows', 'favourites', 'feed', 'feed?is_read=false&language=en', 'history'])
    await w.list(`/api/me/${path}`);
  await w.get('/api/me/continue-reading');
  for (const path of ['project-1', 'former-2', id]) await w.get(`/api/projects/${path}`);
  const chapters = (await w.get(`/api/projects/${id}/chapters?limit=50`))['items'] as { id: string }[];
  const chapter = chapters[0]!.id;
  for (const path of [
    `chapters/${chapter}`,
    `chapters/${chapter}/progress`,
    'me/announcements/unread',
    'me/feed-tokens',
  ])
    await w.get(`/api/${path}`);
  const [group] = (await w.get('/api/release-groups'))['items'] as [{ id: string }];
  await w.get(`/api/release-groups/${group.id}`);
  for (const kind of ['follow', 'favourite'])
    for (const method of ['PUT', 'DELETE']) await w.send(method, `/api/projects/${id}/${kind}`, { token });
  await w.send('PUT', `/api/chapters/${chapter}/progress`, { token, body: { page: 1 } });
  const changes = chapters.slice(0, 50).map(({ id: chapter_id }) => ({ chapter_id, is_read: true }));
  await w.send('POST', '/api/me/progress', { token, body: { changes } });
  await walkFeeds(w, id, chapter);
}

async function walkFeeds(w: Walker, project: string, chapter: string): Promise<void> {
  const { token } = w.person;
  const made = await w.send('POST', '/api/me/feed-tokens', { token, body: { name: 'Reader' } });
  const feeds = ['latest', 'announcements', `projects/${project}`, `me/${made['token']}`];
  for (const feed of feeds)
    for (const format of ['rss', 'atom', 'json']) await w.sendRaw('GET', `/api/feeds/${feed}.${format}`, undefined);
  await w.send('DELETE', `/api/me/feed-tokens/${made['id']}`, { token });
  for (const root of ['/api/opds', '/api/opds/v2'])
    for (const path of ['', '/projects', '/projects?query=harbour', `/projects/${project}`, '/latest', '/follows'])
      await w.sendRaw('GET', `${root}${path}`, token);
  await w.sendRaw('GET', '/api/opds/search.xml', undefined);
  await w.sendRaw('GET', `/api/opds/v2/chapters/${chapter}`, token);
}

/** What translators and administrators do. */
export async function walkPublishing(w: Walker): Promise<void> {
  const world = await projectsWorld(w.t);
  const { manager, uploader } = world;
  const project = await w.send('POST', '/api/projects', {
    token: manager.token,
    body: { title: 'The Walk', original_language: 'ja', tags: ['slice-of-life'] },
  });
  const path = `/api/projects/${project['id']}`;
  const as = (body: object = {}) => ({ token: manager.token, body });
  const changed = await w.send(
    'PATCH',
    path,
    as({ version: project['version'], description: 'A long one.', slug: 'a-walk' }),
  );
  await w.list('/api/projects/project-1/revisions', manager.token);
  const cover = new FormData();
  cover.set('cover', new Blob([new Uint8Array(await imageFile(8))], { type: 'image/jpeg' }), 'cover.jpg');
  const covered = await w.sendRaw('PUT', `${path}/cover?version=${changed['version']}`, manager.token, { body: cover });
  await w.sendRaw('GET', imageUrl(covered, 'covers'), undefined);
  await walkChapters(w, world, String(project['id']));
  await walkModeration(w, world, path);
  await w.send('DELETE', `${path}/cover?version=${covered['version']}`, { token: manager.token });

  const group = await w.send('POST', '/api/release-groups', { token: uploader.token, body: { name: 'Walkers' } });
  await w.send('PATCH', `/api/release-groups/${group['id']}`, { token: uploader.token, body: { name: 'Walkers 2' } });
  const news = await w.send('POST', '/api/announcements', as({ kind: 'post', title: 'News', body: 'None.' }));
  const item = `/api/announcements/${news['id']}`;
  await w.get(item);
  await w.send('PATCH', item, as({ version: news['version'], title: 'No news' }));
  for (const method of ['PUT', 'DELETE']) await w.send(method, `${item}/read`, { token: w.person.token });
  await w.send('PUT', '/api/me/announcements/read', { token: w.person.token });
  const { version } = await w.get(item);
  await w.send('DELETE', `${item}?version=${version}`, { token: manager.token });
  const last = await w.get(path, manager.token);
  await w.send('DELETE', `${path}?version=${last['version']}`, { token: manager.token });
}

const imageUrl = (body: object, kind: string): string =>
  new RegExp(`/api/${kind}/[^"]+/image[^"]*`).exec(JSON.stringify(body))![0];

async function walkChapters(w: Walker, world: World, projectId: string): Promise<void> {
  const { uploader } = world;
  const { token } = uploader;
  const group = await world.releaseGroup();
  const path = `/api/projects/${projectId}/chapters`;
  const fields = { number: '1', language: 'en', release_group_ids: [group.id] };
  const chapter = await w.send('POST', path, { token, body: fields });
  const own = `/api/chapters/${chapter['id']}`;
  const pages = await world.addPages(String(chapter['id']), [await imageFile(1), await imageFile(2)]);
  await world.publish(String(chapter['id']), uploader, 2);
  const published = await w.get(own, token);
  await w.send('PATCH', own, { token, body: { version: published['version'], title: 'The first' } });
  const { version } = await w.get(own, token);
  await w.send('PUT', `${own}/pages/order`, { token, body: { version, page_ids: pages.toReversed() } });
  await w.sendRaw('GET', imageUrl(await w.get(own, token), 'pages'), undefined);
  await w.sendRaw('GET', `${own}/download.cbz`, token);
  await w.sendRaw('GET', `/api/opds/chapters/${chapter['id']}/pages/0?width=256`, token);
  await walkUploads(w, world);
  const last = await w.get(own, token);
  await w.send('DELETE', `${own}?version=${last['version']}`, { token });
}

async function walkUploads(w: Walker, world: World): Promise<void> {
  const uploads = uploadsWorld(w.t, world);
  const upload = await uploads.open(world.uploader);
  const { token } = world.uploader;
  await w.get('/api/uploads/current', token);
  await uploads.addFiles(upload, [
    ['1.jpg', await imageFile(1)],
    ['2.jpg', await imageFile(2)],
    ['3.jpg', await imageFile(3)],
  ]);
  const { body } = await uploads.read(upload);
  const [first, ...rest] = body.files.map(({ id }) => id);
  await w.send('DELETE', `${upload.path}/files/${first}`, { token });
  const { version } = (await uploads.read(upload)).body;
  await w.send('PUT', `${upload.path}/order`, { token, body: { version, file_ids: rest.toReversed() } });
  await uploads.commit(upload);
  await uploads.settled(upload);
  const other = await uploads.open(world.uploader);
  await uploads.addArchive(other, zipOf([{ name: '1.jpg', data: await imageFile(1) }]));
  await w.send('DELETE', other.path, { token });
}

async function walkModeration(w: Walker, world: World, path: string): Promise<void> {
  const { t } = w;
  const { token } = world.manager;
  const chapter = await world.chapter((await world.project()).id);
  const report = { reason: 'bad_quality', text: 'A page is missing.' };
  for (const subject of [path, `/api/chapters/${chapter.id}`])
    await w.send('POST', `${subject}/reports`, { token: w.person.token, body: report });
  for (const list of ['reports', 'reports?state=open']) await w.list(`/api/moderation/${list}`, token);
  const moderator = await t.user('manage_projects', 'view_hidden');
  await w.list('/api/moderation/chapters', moderator.token);
  const [open] = (await w.get('/api/moderation/reports?state=open', token))['items'] as [{ id: string }];
  await w.send('POST', `/api/moderation/reports/${open.id}/decision`, { token, body: { state: 'resolved' } });
  const { ids } = await w.queryRow<{ ids: string[] }>(
    `select array_agg(id) as ids from (select id from chapters where state = 'review' limit 2) waiting`,
  );
  const [one, two] = ids.map((id) => `/api/moderation/chapters/${id}`);
  await w.send('POST', `${one}/approve`, { token: moderator.token });
  await w.send('POST', `${two}/reject`, {
    token: moderator.token,
    body: { reason: 'The pages are in the wrong order.' },
  });
}

import { ChapterPublishingService } from '../../../src/projects/chapters/chapter-publishing.service.js';
import { PagesService } from '../../../src/projects/pages/pages.service.js';
import type { SignedInUser, TestApp } from '../app.js';

let counter = 0;

/** Makes projects and chapters for tests, each with a title or number of its own. */
export async function projectsWorld(t: TestApp) {
  const manager: SignedInUser = await t.user('manage_projects');
  const uploader: SignedInUser = await t.user('upload_chapters');

  async function create<Path extends string>(path: Path, body: object, { token }: { token: string }) {
    const answer = await t.request('POST', path, { token, body });
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  const project = (fields: object = {}) =>
    create('/api/projects', { title: `Project ${++counter}`, original_language: 'ja', ...fields }, manager);

  /** A chapter of the uploader, or of `by`; published unless `state` is `draft`. */
  async function chapter(
    projectId: string,
    {
      by = uploader,
      state = 'published',
      ...fields
    }: { by?: SignedInUser; state?: string; [name: string]: unknown } = {},
  ) {
    const body = { number: String(++counter), language: 'en', ...fields };
    const created = await create(`/api/projects/${projectId}/chapters` as '/api/projects/{}/chapters', body, by);
    if (state === 'published') await publish(created.id, by);
    return created;
  }

  /** Publishes a draft as the commit of an upload does. */
  const publish = (id: string, by: SignedInUser, pageCount = 3) =>
    t.dataSource.transaction((transaction) =>
      t.app
        .get(ChapterPublishingService, { strict: false })
        .publish(transaction, { id: by.id, session_id: null, isAdmin: false }, id, pageCount),
    );

  /** Adds pages to a chapter without pages, as the commit of an upload does. Returns their ids in order. */
  async function addPages(chapterId: string, files: Buffer[]): Promise<string[]> {
    const pages = t.app.get(PagesService, { strict: false });
    const stored = await Promise.all(files.map((file) => pages.store([file])));
    await t.dataSource.transaction((transaction) => pages.insert(transaction, chapterId, stored));
    await t.dataSource.query('update chapters set page_count = $2 where id = $1', [chapterId, stored.length]);
    return stored.map(({ id }) => id);
  }

  const releaseGroup = (fields: object = {}) =>
    create('/api/release-groups', { name: `Group ${++counter}`, ...fields }, uploader);

  return { manager, uploader, create, project, chapter, publish, addPages, releaseGroup };
}

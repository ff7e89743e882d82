import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { imageFile } from '../support/files/images.js';
import { projectsWorld } from '../support/projects/projects.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof projectsWorld>>;
let moderator: SignedInUser;
beforeAll(async () => {
  t = await startApp({ env: { CHAPTER_REVIEW: 'first' } });
  world = await projectsWorld(t);
  moderator = await t.user('manage_projects', 'view_hidden');
});
afterAll(() => t.stop());

const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

const moderate = <Method extends string, Path extends string>(method: Method, path: Path, body?: unknown) =>
  t.request(method, path, { token: moderator.token, body });

const stateOf = async (id: string) => {
  const { body } = await t.request('GET', `/api/chapters/${id}` as '/api/chapters/{}', { token: await t.asAdmin() });
  return body.state;
};

describe('CHAPTER_REVIEW=first', () => {
  it('lets the chapters of a new uploader wait until one is approved, and publishes later ones at once', async () => {
    const uploader = await t.user('upload_chapters');
    const { id } = await world.project();
    const [first, second] = [await world.chapter(id, { by: uploader }), await world.chapter(id, { by: uploader })];
    expect([await stateOf(first.id), await stateOf(second.id)]).toEqual(['review', 'review']);
    expect((await t.request('GET', `/api/chapters/${first.id}`)).status).toBe(404);
    const queue = await moderate('GET', '/api/moderation/chapters?limit=100');
    expect(queue.body.items.map((chapter) => chapter.id)).toEqual([first.id, second.id]);
    expect((await moderate('POST', `/api/moderation/chapters/${first.id}/approve`)).status).toBe(204);
    expect((await t.request('GET', `/api/chapters/${first.id}`)).status).toBe(200);
    const third = await world.chapter(id, { by: uploader });
    expect(await stateOf(third.id)).toBe('published');
    const reject = `/api/moderation/chapters/${second.id}/reject`;
    expect((await moderate('POST', reject, { reason: 'Wrong order' })).status).toBe(204);
    expect(await stateOf(second.id)).toBe('rejected');
    expect((await moderate('POST', reject, { reason: 'Again' })).body['code']).toBe('chapter_not_in_review');
    expect((await moderate('POST', `/api/moderation/chapters/${UNKNOWN_ID}/approve`)).body['code']).toBe(
      'chapter_not_found',
    );
  });

  it('is decided by those only who may open the chapter', async () => {
    const uploader = await t.user('upload_chapters');
    const { id } = await world.chapter((await world.project()).id, { by: uploader });
    const [pageId] = await world.addPages(id, [await imageFile(1)]);
    const surfaces = [
      `/api/moderation/chapters?limit=100`,
      `/api/chapters/${id}`,
      `/api/pages/${pageId}/image`,
      `/api/chapters/${id}/download.cbz`,
    ];
    const statusesFor = (token: string) =>
      Promise.all(surfaces.map(async (path) => (await t.request('GET', path, { token })).status));
    expect(await statusesFor(moderator.token)).toEqual([200, 200, 200, 200]);
    expect(await statusesFor(world.manager.token)).toEqual([403, 404, 404, 404]);
    expect(await statusesFor((await t.user('view_hidden')).token)).toEqual([403, 200, 200, 200]);
    for (const decision of ['approve', 'reject']) {
      const path = `/api/moderation/chapters/${id}/${decision}`;
      const answer = await t.request('POST', path, { token: world.manager.token, body: { reason: 'No' } });
      expect([decision, answer.status]).toEqual([decision, 403]);
    }
    expect(await stateOf(id)).toBe('review');
  });

  it('tells the reason of a rejection to the uploader and to view_hidden, and to no other', async () => {
    const uploader = await t.user('upload_chapters');
    const { id } = await world.chapter((await world.project()).id, { by: uploader });
    const readBy = (token?: string) => t.request('GET', `/api/chapters/${id}` as '/api/chapters/{}', { token });
    expect((await readBy(uploader.token)).body.rejection_reason).toBeNull();
    const reason = 'The pages are in the wrong order.';
    expect((await moderate('POST', `/api/moderation/chapters/${id}/reject`, { reason })).status).toBe(204);
    for (const { token } of [uploader, await t.user('view_hidden')]) {
      expect((await readBy(token)).body).toMatchObject({ state: 'rejected', rejection_reason: reason });
    }
    for (const token of [undefined, world.uploader.token, world.manager.token]) {
      expect((await readBy(token)).status).toBe(404);
    }
  });

  it('answers 412 version_conflict about a version that the uploader has changed since the moderator read it', async () => {
    const uploader = await t.user('upload_chapters');
    const { id } = await world.chapter((await world.project()).id, { by: uploader });
    const path = `/api/moderation/chapters/${id}`;
    const { version } = (await t.request('GET', `/api/chapters/${id}` as '/api/chapters/{}', moderator)).body;
    const body = { version, title: 'Another title' };
    expect((await t.request('PATCH', `/api/chapters/${id}`, { token: uploader.token, body })).status).toBe(200);
    const headers = { 'if-match': `"${version}"` };
    const late = [
      await moderate('POST', `${path}/approve`, { version }),
      await moderate('POST', `${path}/reject`, { version, reason: 'No' }),
      await t.request('POST', `${path}/approve`, { token: moderator.token, headers }),
    ];
    expect(late.map((answer) => answer.body['code'])).toEqual([1, 2, 3].map(() => 'version_conflict'));
    expect((await moderate('POST', `${path}/approve`, { version: version + 1 })).status).toBe(204);
  });

  it('takes one of 20 decisions that arrive at once', async () => {
    const { id } = await world.chapter((await world.project()).id, { by: await t.user('upload_chapters') });
    await t.warmUp();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        i % 2
          ? moderate('POST', `/api/moderation/chapters/${id}/approve`)
          : moderate('POST', `/api/moderation/chapters/${id}/reject`, { reason: 'No' }),
      ),
    );
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
    const audited = await t.request('GET', `/api/audit?subject_id=${id}`, { token: await t.asAdmin() });
    const decisions = audited.body['items'].filter(({ action }: { action: string }) =>
      /approved|rejected/.test(action),
    );
    expect(decisions).toHaveLength(1);
  });
});

describe('reports', () => {
  it('on projects and chapters wait in a queue until a moderator decides', async () => {
    const reader = await t.user();
    const { id } = await world.project();
    const body = { reason: 'bad_quality', text: 'Page 7 is missing.' };
    const report = await t.request('POST', `/api/projects/${id}/reports`, { token: reader.token, body });
    expect(report.status).toBe(201);
    expect(report.body).toMatchObject({
      ...body,
      project_id: id,
      chapter_id: null,
      reporter_id: reader.id,
      state: 'open',
    });
    const again = await t.request('POST', `/api/projects/${id}/reports`, { token: reader.token, body });
    expect([again.status, again.body.code]).toEqual([409, 'already_reported']);
    const queue = await moderate('GET', '/api/moderation/reports');
    expect(queue.body.items.map((each) => each.id)).toContain(report.body.id);
    const path = `/api/moderation/reports/${report.body.id}/decision`;
    expect((await moderate('POST', path, { state: 'resolved', note: 'Added' })).body).toMatchObject({
      state: 'resolved',
    });
    expect((await moderate('POST', path, { state: 'dismissed' })).body['code']).toBe('report_not_open');
    const open = await moderate('GET', '/api/moderation/reports');
    expect(open.body.items.map((each) => each.id)).not.toContain(report.body.id);
    expect(
      (await moderate('POST', `/api/moderation/reports/${UNKNOWN_ID}/decision`, { state: 'resolved' })).status,
    ).toBe(404);
  });

  it('are taken once when 20 arrive at once, and of visible chapters only', async () => {
    const reader = await t.user();
    const { id } = await world.chapter((await world.project()).id, { by: await t.user('upload_chapters') });
    const path = `/api/chapters/${id}/reports`;
    const send = () => t.request('POST', path, { token: reader.token, body: { reason: 'other' } });
    expect((await send()).body['code']).toBe('chapter_not_found');
    await moderate('POST', `/api/moderation/chapters/${id}/approve`);
    await t.warmUp();
    const answers = await Promise.all(Array.from({ length: 20 }, send));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const body of [{}, { reason: 'bad' }, { reason: 'other', text: 'x'.repeat(1001) }]) {
      expect((await t.request('POST', path, { token: reader.token, body })).status).toBe(422);
    }
  });

  it('on a chapter that a moderator does not see are listed and decided by those who see it', async () => {
    const reader = await t.user();
    const { id } = await world.chapter((await world.project()).id, { by: await t.user('upload_chapters') });
    await moderate('POST', `/api/moderation/chapters/${id}/approve`);
    const body = { reason: 'rights' };
    const report = await t.request('POST', `/api/chapters/${id}/reports` as '/api/chapters/{}/reports', {
      token: reader.token,
      body,
    });
    const listedTo = async (token: string) =>
      (await t.request('GET', '/api/moderation/reports?limit=100', { token })).text.includes(report.body.id);
    const { token } = world.manager;
    expect(await listedTo(token)).toBe(true);
    const { version } = (await t.request('GET', `/api/chapters/${id}` as '/api/chapters/{}')).body;
    const hide = { version, is_hidden: true };
    await t.request('PATCH', `/api/chapters/${id}`, { token: await t.asAdmin(), body: hide });
    expect([await listedTo(token), await listedTo(moderator.token)]).toEqual([false, true]);
    const path = `/api/moderation/reports/${report.body.id}/decision`;
    const decide = (by: string) => t.request('POST', path, { token: by, body: { state: 'resolved' } });
    expect((await decide(token)).body['code']).toBe('report_not_found');
    expect((await decide(moderator.token)).status).toBe(200);
  });
});

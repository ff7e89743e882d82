import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../../test/support/app.js';
import { imageFile, jpegOf } from '../../../test/support/files/images.js';
import { projectsWorld } from '../../../test/support/projects/projects.js';
import { zipOf } from '../../../test/support/files/zip.js';
import { MachiClient, MachiProblem, MemorySessionStore, paginate, UnexpectedResponse } from '../dist/index.js';

const TOKEN_LIFETIME_MS = 15 * 60_000;

let t: TestApp;
let hana: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  hana = await t.user();
});
afterAll(() => t.stop());

/** A client that records the requests it makes, as "POST /api/sessions". */
function newClient(store = new MemorySessionStore(), baseUrl = t.url) {
  const requests: string[] = [];
  const machi = new MachiClient({
    baseUrl,
    store,
    fetch: (url, init) => {
      requests.push(`${init?.method} ${(url as string).slice(baseUrl.length)}`);
      return fetch(url, init);
    },
  });
  return { machi, requests };
}

async function signedIn(user = hana, store = new MemorySessionStore()) {
  const client = newClient(store);
  await client.machi.signIn(user.username, PASSWORD);
  client.requests.length = 0;
  return client;
}

async function problemOf(call: Promise<unknown>): Promise<MachiProblem> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MachiProblem)) throw new Error(`no problem: ${String(error)}`);
  return error;
}

describe('calls', () => {
  it('sends path, query and body, and returns the parsed answer', async () => {
    const { machi } = await signedIn();
    const me = await machi.api.updateMe({ body: { fullname: 'Hana Sató', address: null } });
    expect(me).toMatchObject({ id: hana.id, fullname: 'Hana Sató' });
    expect(await machi.api.getUser({ path: { id: me.id } })).toEqual(await machi.api.getMe());
    const { items } = await machi.api.listUsers({ query: { q: 'sató', limit: 1 } });
    expect(items.map(({ id }) => id)).toEqual([me.id]);
  });

  it('returns text for text and XML, a Blob for other files, and nothing for 204', async () => {
    const { machi } = await signedIn();
    expect(await machi.api.ping()).toBe('pong');
    expect(await machi.api.getLatestFeed({ path: { format: 'rss' } })).toContain('<rss');
    const identicon = await machi.api.getAvatarOfUser({ path: { id: hana.id } });
    expect(identicon.type).toBe('image/png');
    expect(await machi.api.signOutEverywhere({ query: { except_current: 'true' } })).toBeUndefined();
  });

  it('rejects with a problem whose code tells its members', async () => {
    const { machi } = await signedIn();
    const invalid = await problemOf(machi.api.updateMe({ body: { phone_number: '03-1234' } }));
    expect([invalid.code, invalid.status]).toEqual(['validation_failed', 422]);
    expect(invalid.is('validation_failed') && invalid.problem.errors[0]?.path).toBe('phone_number');
    expect(invalid.is('avatar_locked')).toBe(false);
    expect(invalid.requestId).toMatch(/^[\da-f-]{36}$/);
  });

  it('rejects with UnexpectedResponse when a proxy answers instead of Machi', async () => {
    const machi = new MachiClient({ baseUrl: t.url, fetch: async () => new Response('<h1>', { status: 502 }) });
    await expect(machi.api.getHealth()).rejects.toEqual(new UnexpectedResponse(502, '<h1>'));
  });

  it('returns the response for calls that need its headers', async () => {
    const manager = await t.user('manage_projects');
    const { machi } = await signedIn(manager);
    const project = await machi.call('createProject', { body: { title: 'Harbour Lights', original_language: 'en' } });
    expect(project.response.status).toBe(201);
    const path = { id_or_slug: project.data.id };
    const { response } = await machi.call('getProject', { path });
    const headers = { 'If-Match': response.headers.get('etag') ?? '' };
    await machi.api.updateProject({ path, headers, body: { title: 'Harbour Nights' } });
    const stale = await problemOf(machi.api.updateProject({ path, headers, body: { title: 'Harbour Days' } }));
    expect(stale.status).toBe(412);
  });

  it('lists all pages of a list, and fetches no page after the loop is left', async () => {
    const { machi, requests } = await signedIn();
    for (let i = 0; i < 4; i++) await t.user();
    const names: string[] = [];
    for await (const { username } of paginate(machi.api.listUsers, { query: { limit: 2 } })) names.push(username);
    expect(names.length).toBeGreaterThanOrEqual(5);
    expect(new Set(names).size).toBe(names.length);
    requests.length = 0;
    for await (const { username } of paginate(machi.api.listUsers, { query: { limit: 2 } })) {
      expect(username).toBe(names[0]);
      break;
    }
    expect(requests).toHaveLength(1);
  });

  it('uploads a picture and reports the progress', async () => {
    const { machi } = await signedIn();
    const avatar = new Blob([new Uint8Array(await jpegOf(300_000))], { type: 'image/jpeg' });
    const progress: number[] = [];
    const onProgress = ({ loaded, total }: { loaded: number; total: number }) => progress.push(loaded / total);
    expect(await machi.api.uploadAvatar({ body: { avatar }, onProgress })).toMatchObject({ state: 'pending' });
    expect(progress.length).toBeGreaterThan(1);
    expect(progress.at(-1)).toBe(1);
  });

  it('uploads several files, and files that are the whole body', async () => {
    const world = await projectsWorld(t);
    const { machi } = await signedIn(world.uploader);
    const { id } = await machi.api.startUpload({ body: { project_id: (await world.project()).id } });
    const [first, second] = [1, 2].map(
      async (seed) => new File([new Uint8Array(await imageFile(seed))], `${seed}.jpg`, { type: 'image/jpeg' }),
    );
    const { files } = await machi.api.addUploadFiles({
      path: { id },
      body: { files: [await first!, await second!] },
    });
    expect(files.map(({ name }) => name)).toEqual(['1.jpg', '2.jpg']);
    const archive = new Blob([new Uint8Array(zipOf([{ name: '3.jpg', data: await imageFile(3) }]))]);
    const progress: number[] = [];
    const onProgress = ({ loaded, total }: { loaded: number; total: number }) => progress.push(loaded / total);
    const upload = await machi.api.addUploadArchive({ path: { id }, body: archive, onProgress });
    expect(upload.files.map(({ name }) => name)).toContain('3.jpg');
    expect(progress.at(-1)).toBe(1);
  });

  it('sends a table as text/csv, and reports the progress of any body', async () => {
    const { machi } = await signedIn(await t.user('admin'));
    const table = 'code,name,address,district,latitude,longitude\nDHK-09,Test Centre,Road 7,Dhaka,23.7461,90.3742\n';
    const report = await machi.api.importCentres({ body: table, query: { dry_run: true } });
    expect(report).toEqual({ dry_run: true, rows: 1, created: 1, updated: 0, unchanged: 0, errors: [] });
    const progress: number[] = [];
    await machi.api.updateMe({ body: { fullname: 'Ren' }, onProgress: ({ loaded }) => progress.push(loaded) });
    expect(progress).toEqual([18]);
  });

  it('stops a call when its signal is aborted', async () => {
    const { machi } = await signedIn();
    await expect(machi.api.getMe({ signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});

describe('the session', () => {
  it('is refreshed once for many calls of clients with one store, and each call is repeated', async () => {
    const store = new MemorySessionStore();
    const first = await signedIn(hana, store);
    const second = newClient(store);
    const old = store.get();
    t.clock.advance(TOKEN_LIFETIME_MS + 1000);
    const calls = [first, second].flatMap(({ machi }) => Array.from({ length: 5 }, () => machi.api.getMe()));
    expect((await Promise.all(calls)).map(({ id }) => id)).toEqual(Array(10).fill(hana.id));
    const all = [...first.requests, ...second.requests];
    expect(all.filter((request) => request === 'POST /api/sessions/refresh')).toHaveLength(1);
    expect(store.get()?.identity_token).not.toBe(old?.identity_token);
    t.clock.run();
  });

  it('is forgotten, and reported, when it was revoked', async () => {
    const store = new MemorySessionStore();
    const { machi } = await signedIn(hana, store);
    let changes = 0;
    machi.sessions.onChange(() => changes++);
    await t.request('DELETE', '/api/sessions', { token: await t.signIn(hana.username, PASSWORD) });
    expect((await problemOf(machi.api.getMe())).code).toBe('invalid_token');
    expect([machi.isSignedIn, store.get(), changes]).toEqual([false, undefined, 1]);
  });

  it('is forgotten when its refresh token is refused', async () => {
    const { machi } = await signedIn();
    await t.request('DELETE', '/api/sessions', { token: await t.signIn(hana.username, PASSWORD) });
    t.clock.advance(TOKEN_LIFETIME_MS + 1000);
    expect((await problemOf(machi.api.getMe())).status).toBe(401);
    expect(machi.isSignedIn).toBe(false);
    t.clock.run();
  });

  it('is kept when the server cannot be reached for the refresh', async () => {
    const { machi, requests } = await signedIn();
    let isDown = false;
    const broken = new MachiClient({
      baseUrl: t.url,
      store: machi.sessions.store,
      fetch: (url, init) =>
        isDown && (url as string).endsWith('/refresh') ? Promise.reject(new TypeError('down')) : fetch(url, init),
    });
    isDown = true;
    t.clock.advance(TOKEN_LIFETIME_MS + 1000);
    await expect(broken.api.getMe()).rejects.toThrow('down');
    expect(await machi.api.getMe()).toMatchObject({ id: hana.id });
    expect(requests).toContain('POST /api/sessions/refresh');
    t.clock.run();
  });

  it('ends on the server and here with signOut, also after it has ended', async () => {
    const { machi } = await signedIn();
    await machi.signOut();
    expect(machi.isSignedIn).toBe(false);
    const other = await signedIn();
    await t.request('DELETE', '/api/sessions', { token: await t.signIn(hana.username, PASSWORD) });
    await other.machi.signOut();
    expect(other.machi.isSignedIn).toBe(false);
  });

  it('is not made by a wrong password', async () => {
    const { machi } = newClient();
    expect((await problemOf(machi.signIn(hana.username, 'wrong'))).code).toBe('invalid_credentials');
    expect(machi.isSignedIn).toBe(false);
  });
});

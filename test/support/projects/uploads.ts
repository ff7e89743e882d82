import { setTimeout as sleep } from 'node:timers/promises';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { PagesService } from '../../../src/projects/pages/pages.service.js';
import type { BodyOf } from '../api/api-body.js';
import type { SignedInUser, TestApp } from '../app.js';
import { call, type Reply } from '../files/images.js';
import type { projectsWorld } from './projects.js';

type World = Awaited<ReturnType<typeof projectsWorld>>;
type UploadBody = BodyOf<'GET', '/api/uploads/{id}'>;

let counter = 0;

/** What tests do with uploads of chapters. */
export function uploadsWorld(t: TestApp, world: World) {
  const send = (
    user: Pick<SignedInUser, 'token'>,
    method: string,
    path: string,
    init: RequestInit = {},
  ): Promise<Reply<UploadBody & { code: string; entry?: string; detail?: string }>> =>
    call(t, method, path, user.token, init) as never;

  const json = (user: Pick<SignedInUser, 'token'>, method: string, path: string, body: object = {}) =>
    send(user, method, path, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });

  /** A user who may upload, with an open upload for a project of its own. */
  async function open(user?: SignedInUser, target: object = {}) {
    const uploader = user ?? (await t.user('upload_chapters'));
    const project = await world.project();
    const hasTarget = Object.keys(target).length > 0;
    const { status, body } = await json(
      uploader,
      'POST',
      '/api/uploads',
      hasTarget ? target : { project_id: project.id },
    );
    if (status !== 201) throw new Error(`POST /api/uploads: ${status} ${body.code}`);
    return { user: uploader, project, id: body.id, path: `/api/uploads/${body.id}` };
  }

  function addFiles({ user, path }: { user: SignedInUser; path: string }, files: [name: string, bytes: Buffer][]) {
    const form = new FormData();
    for (const [name, bytes] of files) form.append('files', new Blob([new Uint8Array(bytes)]), name);
    return send(user, 'POST', `${path}/files`, { body: form });
  }

  const addArchive = ({ user, path }: { user: SignedInUser; path: string }, bytes: Buffer) =>
    send(user, 'PUT', `${path}/archive`, {
      body: new Uint8Array(bytes),
      headers: { 'content-type': 'application/zip' },
    });

  const read = ({ user, path }: { user: SignedInUser; path: string }) => send(user, 'GET', path);

  /** Commits an upload of a new chapter with the version that it has now. */
  async function commit(upload: { user: SignedInUser; path: string }, chapter: object = {}) {
    const { body } = await read(upload);
    const fields = { number: `u${++counter}`, language: 'en', ...chapter };
    return json(upload.user, 'POST', `${upload.path}/commit`, { version: body.version, chapter: fields });
  }

  /** Reads the upload until its commit has ended. */
  async function settled(upload: { user: SignedInUser; path: string }) {
    for (;;) {
      const { body } = await read(upload);
      if (!['open', 'committing'].includes(body.state)) return body;
      await sleep(20);
    }
  }

  return { send, json, open, addFiles, addArchive, read, commit, settled };
}

/** Keeps the next pages that commits make, all or as many as given, from being stored until `release` is called. */
export function holdPages(t: TestApp, count = Infinity) {
  const pages = t.app.get(PagesService, { strict: false });
  const store = pages.store.bind(pages);
  let release = (): void => undefined;
  const isReleased = new Promise<void>((resolve) => (release = resolve));
  const spy = vi.spyOn(pages, 'store').mockImplementation(async (source) => {
    if (spy.mock.calls.length <= count) await isReleased;
    return store(source);
  });
  return {
    release,
    /** How many pages were or are to be stored since. */
    started: () => spy.mock.calls.length,
    stored: () => spy.mock.settledResults.filter(({ type }) => type === 'fulfilled').length,
    restore: () => spy.mockRestore(),
  };
}

/** The uploaded files in the local storage. */
export const stagedFiles = (t: TestApp): string[] => filesIn(join(t.config.STORAGE_DIR, 'uploads'));

/** Uploaded files in the local storage that no upload has. */
export async function orphanedFiles(t: TestApp): Promise<string[]> {
  const known = await t.dataSource.query<{ id: string }[]>('select id from upload_files');
  return stagedFiles(t).filter((name) => !known.some(({ id }) => id === name));
}

/** The files of pages in the local storage. */
export const pageFiles = (t: TestApp): string[] => filesIn(join(t.config.STORAGE_DIR, 'pages'));

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  } catch {
    return []; // nothing was stored yet
  }
}

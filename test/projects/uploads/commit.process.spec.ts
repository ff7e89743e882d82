import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scene } from '../../support/files/images.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../../support/servers/machi-process.js';
import { createDatabase, type TestDatabase } from '../../support/setup/database.js';
import { newKeys, PASSWORD } from '../../support/app.js';
import { zipOf } from '../../support/files/zip.js';

const PAGES = 12;

let database: TestDatabase;
let folder: ReturnType<typeof dataFolder>;
let env: Record<string, string>;
let archive: Buffer;
beforeAll(async () => {
  database = await createDatabase();
  folder = dataFolder();
  env = {
    ...newKeys(),
    ...database.env,
    NODE_ENV: 'test',
    RATE_LIMITS: 'off',
    ADMIN_PASSWORD: PASSWORD,
    DATA_DIR: folder.path,
  };
  const pages = Array.from({ length: PAGES }, (_, i) => scene(i, 900, 1300).png().toBuffer());
  archive = zipOf((await Promise.all(pages)).map((data, i) => ({ name: `${i + 1}.png`, data })));
});
afterAll(async () => {
  await database.drop();
  folder.remove();
});

const files = (name: string): string[] => {
  try {
    return readdirSync(join(folder.path, 'uploads', name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
};

async function call(machi: MachiProcess, method: string, path: string, token?: string, body?: object | Uint8Array) {
  const isBytes = body instanceof Uint8Array;
  const response = await fetch(`${machi.url}/api${path}`, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body ? { 'content-type': isBytes ? 'application/zip' : 'application/json' } : {}),
    },
    ...(body ? { body: isBytes ? (body as never) : JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  return { status: response.status, body: (text ? JSON.parse(text) : {}) as Record<string, never> };
}

it('a process that is killed in the middle of a commit leaves a chapter that the next one finishes, whole', async () => {
  for (let round = 0; round < 3; round++) {
    let machi = await whenServing(launch(env));
    const signIn = async () =>
      (await call(machi, 'POST', '/sessions', undefined, { login: 'admin', password: PASSWORD })).body[
        'identity_token'
      ];
    let token = await signIn();
    const title = `Project ${randomBytes(4).toString('hex')}`;
    const project = await call(machi, 'POST', '/projects', token, { title, original_language: 'ja' });
    const upload = await call(machi, 'POST', '/uploads', token, { project_id: project.body['id'] });
    const path = `/uploads/${upload.body['id']}`;
    expect((await call(machi, 'PUT', `${path}/archive`, token, new Uint8Array(archive))).status).toBe(200);
    const { version } = (await call(machi, 'GET', path, token)).body;
    const chapter = { language: 'en', number: '1' };
    expect((await call(machi, 'POST', `${path}/commit`, token, { version, chapter })).status).toBe(202);
    const wanted = 1 + round * 5;
    const read = async () => (await call(machi, 'GET', path, token)).body as Record<string, unknown>;
    while (((await read())['done'] as number) < wanted) await sleep(5);
    const { chapter_id } = await read();
    await machi.kill('SIGKILL');
    machi = await whenServing(launch(env));
    token = await signIn();
    const before = await call(machi, 'GET', `/chapters/${chapter_id as string}`);
    expect([200, 404]).toContain(before.status);
    if (before.status === 200) expect(before.body['page_count']).toBe(PAGES); // never half
    await expect.poll(async () => (await read())['state'], { timeout: 60_000 }).toBe('committed');
    const after = await call(machi, 'GET', `/chapters/${chapter_id as string}`);
    expect(after.body).toMatchObject({ state: 'published', page_count: PAGES });
    const urls = JSON.stringify(after.body).match(/\/api\/pages\/[0-9a-f-]{36}\/image/g)!;
    expect(new Set(urls).size).toBe(PAGES);
    for (const url of new Set(urls)) expect((await fetch(machi.url + url)).status).toBe(200);
    await expect.poll(() => files('uploads')).toEqual([]);
    expect(readdirSync(join(folder.path, 'incoming'))).toEqual([]);
    expect(await machi.kill('SIGTERM')).toBe(0);
  }
});

it('a process that is killed while an archive arrives or is unpacked leaves no file that is not deleted', async () => {
  const machi = await whenServing(launch(env));
  const { body: session } = await call(machi, 'POST', '/sessions', undefined, { login: 'admin', password: PASSWORD });
  const token = session['identity_token'];
  const project = await call(machi, 'POST', '/projects', token, { title: 'Half', original_language: 'ja' });
  const upload = await call(machi, 'POST', '/uploads', token, { project_id: project.body['id'] });
  const path = `/uploads/${upload.body['id']}`;
  const sent = call(machi, 'PUT', `${path}/archive`, token, new Uint8Array(archive)).catch(() => undefined);
  await expect.poll(() => files('uploads').length).toBeGreaterThan(0);
  await machi.kill('SIGKILL');
  await sent;
  expect(readdirSync(join(folder.path, 'incoming'))).toEqual([]);
  const again = await whenServing(launch(env));
  const read = await call(again, 'GET', path, token);
  expect(read.body).toMatchObject({ state: 'open', files: [] }); // none of them, or all
  expect(await again.kill('SIGTERM')).toBe(0);
});

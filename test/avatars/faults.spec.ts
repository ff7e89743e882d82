import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AvatarFilesService } from '../../src/avatars/avatar-files.service.js';
import { AvatarFilesWorker } from '../../src/avatars/avatar-files.worker.js';
import { ImageProcessingService } from '../../src/avatars/image-processing.service.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { launch, whenServing } from '../support/machi-process.js';
import { call, canUpload, file, formOf, get, shown, startUpload, upload } from '../support/images.js';
import { startS3 } from '../support/s3-server.js';

const HOUR = 3_600_000;
let picture: Buffer;
beforeAll(async () => {
  picture = await file(1);
});

/** Of a local store, or of the S3 server, which keeps each object as two files more. */
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.webp(\._S3rver_object)?$/.test(name));

describe.each(['local', 's3'] as const)('on the store "%s"', (kind) => {
  let t: TestApp;
  let s3: Awaited<ReturnType<typeof startS3>> | undefined;
  let moderator: string;
  beforeAll(async () => {
    s3 = kind === 's3' ? await startS3() : undefined;
    t = await startApp({ env: s3?.env ?? {} });
    moderator = (await t.user('moderate_avatars')).token;
  });
  afterAll(async () => {
    await t.stop();
    await s3?.remove();
  });
  const kept = () => filesIn(s3 ? join(s3.folder, 'machi') : t.config.STORAGE_DIR);

  it('avatars are kept, handed out whole and in part, and gone with their user', async () => {
    const user = await t.user();
    const { urls } = await shown(t, user, moderator, 1);
    const whole = await get(t, urls['512'] as string);
    expect([whole.status, whole.headers.get('content-type')]).toEqual([200, 'image/webp']);
    const part = await get(t, urls['512'] as string, undefined, { range: 'bytes=5-9' });
    expect([part.status, part.bytes.equals(whole.bytes.subarray(5, 10))]).toEqual([206, true]);
    expect(kept()).toHaveLength(4);
    const { status } = await t.request('DELETE', `/api/users/${user.id}`, { token: await t.asAdmin() });
    expect(status).toBe(204);
    expect((await get(t, urls['64'] as string)).status).toBe(404);
    await expect.poll(kept).toEqual([]);
  });

  it('the files of what is replaced, rejected, taken down or taken back go, too', async () => {
    const user = await t.user();
    await shown(t, user, moderator, 2);
    await shown(t, user, moderator, 3);
    const { body } = await upload(t, user, picture);
    await expect.poll(() => kept().length).toBe(8);
    await t.request('POST', `/api/moderation/avatars/${body['id']}/reject`, {
      token: moderator,
      body: { reason: 'No.' },
    });
    await expect.poll(() => kept().length).toBe(4);
    await upload(t, user, picture);
    expect((await call(t, 'DELETE', '/api/users/me/avatar', user.token)).status).toBe(204);
    await expect.poll(kept).toEqual([]);
  });
});

it('while the object store is down uploads get a 503, identicons are served, and then all is well again', async () => {
  const s3 = await startS3();
  const t = await startApp({ env: s3.env });
  const moderator = (await t.user('moderate_avatars')).token;
  const [user, other] = [await t.user(), await t.user()];
  const { urls } = await shown(t, user, moderator, 1);
  expect((await get(t, urls['128'] as string)).status).toBe(200);
  await s3.down();
  expect((await get(t, urls['128'] as string)).status).toBe(200); // it is in memory
  const form = formOf(picture);
  form.set('fullname', 'Changed');
  expect((await call(t, 'PATCH', '/api/users/me', other.token, { body: form })).status).toBe(503);
  const { body: unchanged } = await t.request('GET', '/api/users/me', { token: other.token });
  expect(unchanged['fullname']).not.toBe('Changed');
  const refused = await upload(t, other, picture);
  expect([refused.status, refused.body['code'], refused.headers.get('retry-after')]).toEqual([
    503,
    'storage_unavailable',
    '2',
  ]);
  expect((await get(t, urls['64'] as string)).body).toMatchObject({ status: 503, code: 'storage_unavailable' });
  expect((await get(t, `/api/users/${other.id}/avatar`)).status).toBe(200);
  expect((await get(t, urls['64'] as string, undefined, { 'if-none-match': '*' })).status).toBe(304);
  expect(await t.dataSource.query('select from avatars where user_id = $1', [other.id])).toEqual([]);
  const { status } = await t.request('DELETE', `/api/users/${user.id}`, { token: await t.asAdmin() });
  expect(status).toBe(204); // its files wait for the store
  expect(t.logLines.join('\n')).not.toMatch(/AWS4-HMAC|MACHI-TEST-KEY|only signs/);
  await s3.up();
  await expect.poll(() => filesIn(join(s3.folder, 'machi'))).toEqual([]);
  expect((await upload(t, other, picture)).status).toBe(202);
  await t.stop();
  await s3.remove();
});

it.each([
  ['secret', { S3_SECRET_ACCESS_KEY: 'another secret' }, 'SignatureDoesNotMatch'],
  ['key', { S3_ACCESS_KEY_ID: 'ANOTHER-KEY' }, 'InvalidAccessKeyId'],
])('with a wrong %s of the object store it is not ready, and takes and leaves nothing', async (_, wrong, fault) => {
  const s3 = await startS3();
  const t = await startApp({ env: { ...s3.env, ...wrong } });
  const user = await t.user();
  expect(s3.refusals).toContain(fault); // of the probe at the start
  const ready = await t.request('GET', '/api/health/ready');
  expect(ready.body).toMatchObject({ status: 503, code: 'not_ready', checks: { storage: 'unavailable' } });
  expect((await upload(t, user, picture)).body).toMatchObject({ status: 503, code: 'storage_unavailable' });
  expect(new Set(s3.refusals)).toEqual(new Set([fault]));
  expect(await t.dataSource.query('select from avatars')).toEqual([]);
  expect(readdirSync(join(s3.folder, 'machi'))).toEqual([]);
  expect((await get(t, `/api/users/${user.id}/avatar`)).status).toBe(200);
  expect(t.logLines.some((line) => line.includes(fault))).toBe(true); // the operator reads why
  expect(t.logLines.join('\n')).not.toMatch(/AWS4-HMAC|another secret|ANOTHER-KEY/);
  await t.stop();
  await s3.remove();
});

const canMount = ((): boolean => {
  const folder = mkdtempSync(join(tmpdir(), 'machi-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
})();

it.runIf(canMount)('while the disk is full uploads get a 503 and leave nothing behind', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'machi-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', folder]);
  const t = await startApp({ env: { STORAGE_DIR: folder } });
  try {
    const user = await t.user();
    expect(() => writeFileSync(join(folder, 'ballast'), Buffer.alloc(200_000))).toThrow(/ENOSPC/);
    const refused = await upload(t, user, await file(2));
    expect([refused.status, refused.body['code']]).toEqual([503, 'storage_unavailable']);
    expect(t.logLines.some((line) => line.includes('ENOSPC'))).toBe(true);
    await expect.poll(() => [filesIn(folder), readdirSync(join(folder, '.unfinished'))]).toEqual([[], []]);
    expect((await get(t, `/api/users/${user.id}/avatar`)).status).toBe(200);
    rmSync(join(folder, 'ballast'));
    expect((await upload(t, user, await file(2))).status).toBe(202);
  } finally {
    await t.stop().catch(() => undefined); // cannot remove what is mounted
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  }
});

describe('between bytes and row', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await startApp();
  });
  afterAll(() => t.stop());
  const kept = () => filesIn(t.config.STORAGE_DIR);

  it('a kill -9 loses nothing and leaves nothing for good', async () => {
    const { connection: db, config } = t;
    const machi = await whenServing(
      launch({
        NODE_ENV: 'test',
        SECRET_KEY: config.SECRET_KEY,
        STORAGE_DIR: config.STORAGE_DIR,
        DB_HOST: db.host,
        DB_PORT: String(db.port),
        DB_NAME: db.database,
        DB_USER: db.user,
        ...(db.password === undefined ? {} : { DB_PASSWORD: db.password }),
      }),
    );
    const user = await t.user();
    const { body: before } = await upload(t, user, await file(3));
    const lock = t.dataSource.createQueryRunner();
    await lock.startTransaction();
    await lock.query('select from users where id = $1 for update', [user.id]); // holds the upload back at its row
    const dying = upload({ ...t, url: machi.url }, user, picture).catch(() => 'cut off');
    await expect.poll(() => kept().length).toBe(8);
    await machi.kill('SIGKILL');
    expect(await dying).toBe('cut off');
    await lock.rollbackTransaction();
    await lock.release();

    expect((await get(t, '/api/users/me/avatar', user.token)).body['pending']).toMatchObject({ id: before['id'] });
    expect((await get(t, before['urls']['512'] as string, user.token)).status).toBe(200);
    const worker = t.app.get(AvatarFilesWorker);
    await worker.sweep();
    expect(kept()).toHaveLength(8); // they might still get their row
    t.clock.advance(HOUR + 1000);
    await worker.sweep();
    expect(kept()).toHaveLength(4);
    expect(kept().every((name) => name.includes(before['id'] as string))).toBe(true);
  });

  it('a user who is deleted at that moment leaves no files', async () => {
    const token = await t.signIn('admin', 'quiet lantern forty');
    const user = await t.user();
    const start = kept().length;
    const runner = t.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query('delete from users where id = $1', [user.id]);
    const late = upload(t, user, picture);
    await expect.poll(() => kept().length).toBe(start + 4);
    await runner.commitTransaction();
    await runner.release();
    expect((await late).body).toMatchObject({ status: 404, code: 'user_not_found' });
    expect(kept()).toHaveLength(start);
    expect((await t.request('GET', '/api/users', { token })).status).toBe(200);
  });

  it('files that cannot be deleted do not hold up the others', async () => {
    const users = [await t.user(), await t.user()];
    const ids: string[] = [];
    for (const user of users) ids.push((await upload(t, user, picture)).body['id'] as string);
    const stuck = join(t.config.STORAGE_DIR, 'avatars', ids[0]!.slice(-2), `${ids[0]}-64.webp`);
    rmSync(stuck);
    mkdirSync(stuck);
    for (const user of users) expect((await call(t, 'DELETE', '/api/users/me/avatar', user.token)).status).toBe(204);
    await expect.poll(() => kept().filter((name) => name.includes(ids[1]!))).toEqual([]);
    rmdirSync(stuck);
    await expect.poll(() => kept().filter((name) => name.includes(ids[0]!))).toEqual([]);
  });

  it('the sweep takes only files of avatars, of no row, and old ones', async () => {
    const start = kept();
    const folder = join(t.config.STORAGE_DIR, 'avatars/4f');
    const [old, young, foreign] = [
      '0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b4f-64.webp',
      '0199c2a4-8c33-7e01-a5d4-5f6e7d8c9c4f-64.webp',
      'readme.webp',
    ];
    await t.app.get(AvatarFilesService).create(old.slice(0, 36), { files: [{ size: 64, bytes: picture }] });
    for (const name of [young, foreign]) writeFileSync(join(folder, name), 'x');
    const user = await t.user();
    const withdrawn = (await upload(t, user, picture)).body['id'] as string;
    expect((await call(t, 'DELETE', '/api/users/me/avatar', user.token)).status).toBe(204);
    await expect.poll(() => kept().filter((name) => name.includes(withdrawn))).toEqual([]);
    await t.app.get(AvatarFilesService).create(withdrawn, { files: [{ size: 64, bytes: picture }] }); // its row is still there
    t.clock.set(Date.now());
    const past = new Date(Date.now() - 2 * HOUR);
    for (const name of [old, foreign]) utimesSync(join(folder, name), past, past);
    utimesSync(join(t.config.STORAGE_DIR, 'avatars', withdrawn.slice(-2), `${withdrawn}-64.webp`), past, past);
    const others = ['.unfinished', 'probe'].map((name) => join(t.config.STORAGE_DIR, name));
    for (const place of others) {
      for (const name of ['old', 'young']) writeFileSync(join(place, name), 'x');
      utimesSync(join(place, 'old'), past, past);
    }
    await t.app.get(AvatarFilesWorker).sweep();
    expect(kept().toSorted()).toEqual([...start, `avatars/4f/${young}`, `avatars/4f/${foreign}`].toSorted()); // prettier-ignore
    for (const place of others) expect(readdirSync(place)).toEqual(['young']);
    const rows = () => t.dataSource.query<unknown[]>('select from avatars where id = $1', [withdrawn]);
    t.clock.advance(6 * 24 * HOUR);
    await t.app.get(AvatarFilesWorker).sweep();
    expect(await rows()).toHaveLength(1); // whoever decides it late is told why that fails
    t.clock.advance(25 * HOUR);
    await t.app.get(AvatarFilesWorker).sweep();
    expect(await rows()).toEqual([]);
  });
});

describe('the workers', () => {
  let t: TestApp;
  let user: SignedInUser;
  beforeAll(async () => {
    t = await startApp();
    user = await t.user();
  });
  afterAll(() => t.stop());
  const workers = (): number[] =>
    readdirSync('/proc/self/task')
      .flatMap((task) =>
        readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
      )
      .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('image-worker'));

  it('hold no settings and no secrets', async () => {
    expect((await upload(t, user, picture)).status).toBe(202);
    expect(workers().length).toBeGreaterThan(0);
    for (const pid of workers()) {
      const names = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .map((entry) => entry.split('=')[0]);
      expect(names.filter((name) => name && !name.startsWith('NODE_CHANNEL'))).toEqual([]);
    }
  });

  it('are what the system ends first when memory runs out', async () => {
    await upload(t, user, picture);
    for (const pid of workers()) expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')).toBe('1000\n');
  });

  it.each([
    ['SIGSEGV', 422, 'picture_damaged'],
    ['SIGKILL', 429, 'too_many_uploads'], // by the system, which has run out of memory
  ])('that die by %s cost their upload alone', async (signal, status, code) => {
    const idle = t.app.get(ImageProcessingService)['idle']; // the one sign that a worker has its job
    const frozen = workers();
    for (const pid of frozen) process.kill(pid, 'SIGSTOP');
    const doomed = upload(t, user, picture);
    await expect.poll(() => idle.length).toBe(frozen.length - 1);
    for (const pid of frozen) process.kill(pid, signal);
    for (const pid of frozen) process.kill(pid, 'SIGCONT');
    expect((await doomed).body).toMatchObject({ status, code });
    expect((await upload(t, user, picture)).status).toBe(202);
  });

  it('that hang are given up after a while', async () => {
    await upload(t, user, picture);
    for (const pid of workers()) process.kill(pid, 'SIGSTOP');
    expect((await upload(t, user, picture)).body).toMatchObject({ status: 422, code: 'picture_too_slow' });
    expect((await upload(t, user, picture)).status).toBe(202);
  });
});

it('no more than 32 uploads are under way at once, 4 of a user; the others come back later', async () => {
  const t = await startApp();
  const users = await Promise.all(Array.from({ length: 9 }, () => t.user()));
  const sockets: Socket[] = [];
  const later = { status: 429, code: 'too_many_uploads' };
  const tries = async (user: SignedInUser) => {
    const { body, headers } = await upload(t, user, picture);
    return { status: 202, ...body, retry: headers.get('retry-after') };
  };
  for (let i = 0; i < 4; i++) sockets.push(await startUpload(t, users[0]!.token));
  await expect.poll(() => canUpload(t, users[0]!)).toBe(false);
  expect(await tries(users[0]!)).toMatchObject(later);
  const form = await call(t, 'PATCH', '/api/users/me', users[0]!.token, { body: formOf(picture) });
  expect(form.body).toMatchObject(later); // both routes share the limit
  expect(await tries(users[1]!)).toMatchObject({ state: 'pending' });
  for (const user of users.slice(1, 8)) for (let i = 0; i < 4; i++) sockets.push(await startUpload(t, user.token));
  await expect.poll(() => canUpload(t, users[8]!)).toBe(false);
  expect(await tries(users[8]!)).toMatchObject({ ...later, retry: '2' });
  expect((await get(t, `/api/users/${users[0]!.id}/avatar`)).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => tries(users[8]!)).toMatchObject({ state: 'pending' });
  await t.stop();
});

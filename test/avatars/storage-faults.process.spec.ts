import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { avatarFilesIn, call, formOf, get, imageFile, upload, uploadApproved } from '../support/files/images.js';
import { startS3 } from '../support/servers/s3-server.js';
import { canMount, mountSmallDisk } from '../support/servers/small-disk.js';

let image: Buffer;
beforeAll(async () => {
  image = await imageFile(1);
});

describe.each(['local', 's3'] as const)('with the %s driver', (kind) => {
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
  const storedFiles = () => avatarFilesIn(s3 ? join(s3.folder, 'machi') : t.config.STORAGE_DIR);

  it('stores avatars, delivers them whole and in ranges, and deletes them with their user', async () => {
    const user = await t.user();
    const { urls } = await uploadApproved(t, user, moderator, 1);
    const whole = await get(t, urls['512']);
    expect([whole.status, whole.headers.get('content-type')]).toEqual([200, 'image/webp']);
    const part = await get(t, urls['512'], undefined, { range: 'bytes=5-9' });
    expect([part.status, part.bytes.equals(whole.bytes.subarray(5, 10))]).toEqual([206, true]);
    expect(storedFiles()).toHaveLength(4);
    const { status } = await t.request('DELETE', `/api/users/${user.id}`, { token: await t.asAdmin() });
    expect(status).toBe(204);
    expect((await get(t, urls['64'])).status).toBe(404);
    await expect.poll(storedFiles).toEqual([]);
  });

  it('deletes the files of replaced, rejected and removed avatars', async () => {
    const user = await t.user();
    await uploadApproved(t, user, moderator, 2);
    await uploadApproved(t, user, moderator, 3);
    const { body } = await upload(t, user, image);
    await expect.poll(() => storedFiles().length).toBe(8);
    await t.request('POST', `/api/moderation/avatars/${body['id']}/reject`, {
      token: moderator,
      body: { reason: 'No.' },
    });
    await expect.poll(() => storedFiles().length).toBe(4);
    await upload(t, user, image);
    expect((await call(t, 'DELETE', '/api/users/me/avatar', user.token)).status).toBe(204);
    await expect.poll(storedFiles).toEqual([]);
  });
});

it('an avatar whose file is cut off gets 503, and no part of the file', async () => {
  const t = await startApp();
  const { urls } = await uploadApproved(t, await t.user(), (await t.user('moderate_avatars')).token, 1);
  for (const name of avatarFilesIn(t.config.STORAGE_DIR)) {
    const file = join(t.config.STORAGE_DIR, name);
    truncateSync(file, statSync(file).size - 100);
  }
  expect((await get(t, urls['64'])).body).toMatchObject({ status: 503, code: 'storage_unavailable' });
  expect(t.logLines.some((line) => /the stored file avatars.* is damaged/.test(line))).toBe(true);
  await t.stop();
});

it('an avatar for which the storage has something else gets 503, and is sent when that is over', async () => {
  const t = await startApp();
  const { urls } = await uploadApproved(t, await t.user(), (await t.user('moderate_avatars')).token, 1);
  const [name] = avatarFilesIn(t.config.STORAGE_DIR).filter((each) => each.endsWith('-64.webp'));
  const file = join(t.config.STORAGE_DIR, name!);
  const stored = readFileSync(file);
  writeFileSync(file, '{"type":"application/xml","cache_control":""}\n<Error/>');
  expect((await get(t, urls['64'])).body).toMatchObject({ status: 503, code: 'storage_unavailable' });
  writeFileSync(file, stored);
  expect((await get(t, urls['64'])).status).toBe(200);
  await t.stop();
});

it('while the S3 server is down uploads get 503, cached files and identicons are served, and afterwards everything works again', async () => {
  const s3 = await startS3();
  const t = await startApp({ env: s3.env });
  const moderator = (await t.user('moderate_avatars')).token;
  const [user, other] = [await t.user(), await t.user()];
  const { urls } = await uploadApproved(t, user, moderator, 1);
  expect((await get(t, urls['128'])).status).toBe(200);
  await s3.down();
  expect((await get(t, urls['128'])).status).toBe(200); // cached in memory
  const form = formOf(image);
  form.set('fullname', 'Changed');
  expect((await call(t, 'PATCH', '/api/users/me', other.token, { body: form })).status).toBe(503);
  const { body: unchanged } = await t.request('GET', '/api/users/me', { token: other.token });
  expect(unchanged['fullname']).not.toBe('Changed');
  const refused = await upload(t, other, image);
  expect([refused.status, refused.body['code'], refused.headers.get('retry-after')]).toEqual([
    503,
    'storage_unavailable',
    '2',
  ]);
  expect((await get(t, urls['64'])).body).toMatchObject({ status: 503, code: 'storage_unavailable' });
  expect((await get(t, `/api/users/${other.id}/avatar`)).status).toBe(200);
  expect((await get(t, urls['64'], undefined, { 'if-none-match': '*' })).status).toBe(304);
  expect(await t.dataSource.query('select from avatars where user_id = $1', [other.id])).toEqual([]);
  const { status } = await t.request('DELETE', `/api/users/${user.id}`, { token: await t.asAdmin() });
  expect(status).toBe(204); // the files are deleted later
  expect(t.logLines.join('\n')).not.toMatch(/AWS4-HMAC|MACHI-TEST-KEY|only signs/);
  await s3.up();
  await expect.poll(() => avatarFilesIn(join(s3.folder, 'machi'))).toEqual([]);
  expect((await upload(t, other, image)).status).toBe(202);
  await t.stop();
  await s3.remove();
});

it.each([
  ['secret', { S3_SECRET_ACCESS_KEY: 'another secret' }, 'SignatureDoesNotMatch'],
  ['key', { S3_ACCESS_KEY_ID: 'ANOTHER-KEY' }, 'InvalidAccessKeyId'],
])('with a wrong S3 %s readiness fails, uploads get 503 and nothing is stored', async (_, wrong, fault) => {
  const s3 = await startS3();
  const t = await startApp({ env: { ...s3.env, ...wrong } });
  const user = await t.user();
  expect(s3.refusals).toContain(fault); // by the probe at the start
  const ready = await t.request('GET', '/api/health/ready');
  expect(ready.body).toMatchObject({ status: 503, code: 'not_ready', checks: { storage: 'unavailable' } });
  expect((await upload(t, user, image)).body).toMatchObject({ status: 503, code: 'storage_unavailable' });
  expect(new Set(s3.refusals)).toEqual(new Set([fault]));
  expect(await t.dataSource.query('select from avatars')).toEqual([]);
  expect(readdirSync(join(s3.folder, 'machi'))).toEqual([]);
  expect((await get(t, `/api/users/${user.id}/avatar`)).status).toBe(200);
  expect(t.logLines.some((line) => line.includes(fault))).toBe(true); // the log names the cause
  expect(t.logLines.join('\n')).not.toMatch(/AWS4-HMAC|another secret|ANOTHER-KEY/);
  await t.stop();
  await s3.remove();
});

it.runIf(canMount())('while the disk is full uploads get 503 and leave no files', async () => {
  const { folder, remove } = mountSmallDisk('128k');
  const t = await startApp({ env: { STORAGE_DIR: folder } });
  try {
    const user = await t.user();
    expect(() => writeFileSync(join(folder, 'ballast'), Buffer.alloc(200_000))).toThrow(/ENOSPC/);
    const refused = await upload(t, user, await imageFile(2));
    expect([refused.status, refused.body['code']]).toEqual([503, 'storage_unavailable']);
    expect(t.logLines.some((line) => line.includes('ENOSPC'))).toBe(true);
    await expect.poll(() => [avatarFilesIn(folder), readdirSync(join(folder, '.unfinished'))]).toEqual([[], []]);
    expect((await get(t, `/api/users/${user.id}/avatar`)).status).toBe(200);
    rmSync(join(folder, 'ballast'));
    expect((await upload(t, user, await imageFile(2))).status).toBe(202);
  } finally {
    await t.stop().catch(() => undefined); // cannot remove what is mounted
    remove();
  }
});

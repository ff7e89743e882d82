import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { startApp } from '../../support/app.js';
import { imageFile, jpegOf } from '../../support/files/images.js';
import { projectsWorld } from '../../support/projects/projects.js';
import { startS3 } from '../../support/servers/s3-server.js';
import { canMount, mountSmallDisk } from '../../support/servers/small-disk.js';
import { stagedFiles, uploadsWorld } from '../../support/projects/uploads.js';
import { zipOf } from '../../support/files/zip.js';

let images: Buffer[];
beforeAll(async () => {
  images = await Promise.all([1, 2, 3].map((seed) => imageFile(seed)));
});

const UNAVAILABLE = [503, 'storage_unavailable'];

it('while the S3 server is down files are refused and a commit waits; afterwards it ends, with what arrived before', async () => {
  const s3 = await startS3();
  const t = await startApp({ env: s3.env });
  const uploads = uploadsWorld(t, await projectsWorld(t));
  const objects = () =>
    readdirSync(join(s3.folder, 'machi'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      /uploads\/.*_S3rver_object$/.test(name),
    );
  const upload = await uploads.open();
  await uploads.addArchive(upload, zipOf(images.map((data, i) => ({ name: `${i}.jpg`, data, isDeflated: true }))));
  expect(objects()).toHaveLength(3);
  const bad = await uploads.addArchive(upload, zipOf([{ name: '5.jpg', data: images[0]!, isDeflated: true, crc: 1 }]));
  expect([bad.status, bad.body.code]).toEqual([422, 'archive_entry_damaged']); // not hidden by the driver
  await s3.down();
  const archive = await uploads.addArchive(upload, zipOf([{ name: '9.jpg', data: images[0]! }]));
  expect([archive.status, archive.body.code]).toEqual(UNAVAILABLE);
  const file = await uploads.addFiles(upload, [['8.jpg', images[0]!]]);
  expect([file.status, file.body.code, file.headers.get('retry-after')]).toEqual([...UNAVAILABLE, '2']);
  expect((await uploads.read(upload)).body.files).toHaveLength(3);
  expect((await uploads.commit(upload)).status).toBe(202);
  const isWaiting = `select claim_id is null and claimed_until > now() as is_waiting from uploads where id = $1`;
  await expect.poll(() => t.dataSource.query(isWaiting, [upload.id])).toEqual([{ is_waiting: true }]);
  expect((await uploads.read(upload)).body).toMatchObject({ state: 'committing', problem: null });
  await s3.up();
  expect(await uploads.settled(upload)).toMatchObject({ state: 'committed', done: 3 });
  await expect.poll(objects).toEqual([]);
  await t.stop();
  await s3.remove();
});

it.runIf(canMount()).each(['STORAGE_DIR', 'DATA_DIR'])(
  'when the disk of %s is full in the middle, an archive and a file get 503 and leave nothing, and what arrived before stays',
  async (setting) => {
    const { folder, remove } = mountSmallDisk('600k');
    const storage = mkdtempSync(join(tmpdir(), 'machi-storage-'));
    const t = await startApp({ env: { STORAGE_DIR: storage, [setting]: folder } });
    try {
      const uploads = uploadsWorld(t, await projectsWorld(t));
      const upload = await uploads.open();
      expect((await uploads.addFiles(upload, [['1.jpg', images[0]!]])).status).toBe(200);
      const large = await jpegOf(400_000);
      const pages = [1, 2, 3].map((n) => ({ name: `${n}0.jpg`, data: large }));
      const archive = await uploads.addArchive(upload, zipOf(pages));
      expect([archive.status, archive.body.code]).toEqual(UNAVAILABLE);
      expect(t.logLines.some((line) => line.includes('ENOSPC'))).toBe(true);
      const file = await uploads.addFiles(upload, [['2.jpg', await jpegOf(900_000)]]);
      expect([file.status, file.body.code]).toEqual(UNAVAILABLE);
      expect((await uploads.read(upload)).body).toMatchObject({ total: 1, files: [{ name: '1.jpg' }] });
      expect(stagedFiles(t)).toHaveLength(1);
      expect((await uploads.addFiles(upload, [['3.jpg', images[1]!]])).status).toBe(200);
    } finally {
      await t.stop().catch(() => undefined); // cannot remove what is mounted
      remove();
      rmSync(storage, { recursive: true });
    }
  },
);

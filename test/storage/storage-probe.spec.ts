import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startApp } from '../support/app.js';
import { startS3 } from '../support/servers/s3-server.js';

const ready = (t: Awaited<ReturnType<typeof startApp>>) => t.request('GET', '/api/health/ready');

it('readiness fails while the bucket is unavailable and recovers with it', async () => {
  const own = await startS3();
  await own.down();
  const t = await startApp({ env: own.env });
  expect((await ready(t)).body).toMatchObject({ status: 503, code: 'not_ready', checks: { storage: 'unavailable' } });
  await own.up();
  t.clock.advance(10_000);
  expect((await ready(t)).body['checks']).toMatchObject({ storage: 'ok' });
  expect(readdirSync(join(own.folder, 'machi'))).toEqual([]);
  await t.stop();
  await own.remove();
});

it('readiness fails while the folder is a file and recovers within 10 s', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'machi-storage-'));
  const path = join(folder, 'path');
  writeFileSync(path, 'a file');
  const t = await startApp({ env: { STORAGE_DIR: path } });
  expect((await ready(t)).body).toMatchObject({ code: 'not_ready', checks: { storage: 'unavailable' } });
  t.clock.advance(10_000);
  expect((await ready(t)).status).toBe(503);
  rmSync(path);
  t.clock.advance(9_999);
  expect((await ready(t)).status).toBe(503); // the result is reused, so that requests cannot cause probes
  t.clock.advance(1);
  expect((await ready(t)).status).toBe(200);
  await t.stop();
  rmSync(folder, { recursive: true });
});

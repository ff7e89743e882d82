import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { EntityManager } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { PageFilesWorker } from '../../src/projects/pages/page-files.worker.js';
import { Storage } from '../../src/storage/storage.js';
import { startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

/** Between a deletion and the end of its transaction, the database waits for this long at most. */
const MAX_IDLE_MS = 60_000;
const DELETE_MS = 100;

let deleted: number;
let atOnce: number;
let longest: number;

/** A storage that takes some time for each deletion, by a clock that stands still otherwise. */
beforeEach(() => {
  [deleted, atOnce, longest] = [0, 0, 0];
  let now = 0;
  let running = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(t.app.get(Storage, { strict: false }), 'delete').mockImplementation(async () => {
    atOnce = Math.max(atOnce, ++running);
    await setImmediate();
    now += DELETE_MS;
    deleted++;
    running--;
  });
  type Transaction = (work: (manager: EntityManager) => Promise<unknown>) => Promise<unknown>;
  const transaction = t.dataSource.transaction.bind(t.dataSource) as Transaction;
  const measured: Transaction = async (work) => {
    const start = now;
    const result = await transaction(work);
    longest = Math.max(longest, now - start);
    return result;
  };
  vi.spyOn(t.dataSource, 'transaction').mockImplementation(measured as typeof t.dataSource.transaction);
});
afterEach(() => {
  vi.restoreAllMocks();
});

it('files that are listed for removal are deleted in transactions that end before the database ends them', async () => {
  await t.dataSource.query('insert into page_removals select gen_random_uuid() from generate_series(1, 500)');
  await t.app.get(PageFilesWorker, { strict: false }).deleteRemovedFiles();
  expect(deleted).toBe(500 * 4);
  expect(longest).toBeLessThan(MAX_IDLE_MS / 2);
  expect(await t.dataSource.query('select from page_removals')).toEqual([]);
});

it('files without a row are deleted in such transactions, and eight at the same time', async () => {
  const keys = Array.from({ length: 1_000 }, () => `pages/00/${randomUUID()}-original`);
  vi.spyOn(t.app.get(Storage, { strict: false }), 'list').mockImplementation(async function* () {
    for (const key of keys) yield { key, modified_at: new Date(0) };
  });
  await t.app.get(PageFilesWorker, { strict: false }).sweep();
  expect([deleted, atOnce]).toEqual([1_000, 8]);
  expect(longest).toBeLessThan(MAX_IDLE_MS / 2);
});

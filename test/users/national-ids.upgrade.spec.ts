import { afterAll, beforeAll, expect, it } from 'vitest';
import { EncryptedNationalId1801001000000 } from '../../migrations/1801001000000-encrypted-national-id.js';
import { newKeys, startApp, type TestApp } from '../support/app.js';

let t: TestApp;
const keys = newKeys();
beforeAll(async () => {
  t = await startApp({ env: keys });
});
afterAll(() => t.stop());

it('the start after the update encrypts the national ids that 0.1.0 stored in clear, once, with two processes at once', async () => {
  const users = [];
  for (let i = 0; i < 3; i++) users.push({ ...(await t.user()), nid: `199004011234${i}` });
  const runner = t.dataSource.createQueryRunner();
  const migration = new EncryptedNationalId1801001000000();
  await migration.down(runner);
  for (const { id, nid } of users) await runner.query('update users set nid = $2 where id = $1', [id, nid]);
  await migration.up(runner);

  const nodes = await Promise.all([1, 2].map(() => startApp({ database: t.connection, env: keys })));
  const rows = await t.dataSource.query<{ row: string }[]>('select u::text as row from users u');
  for (const { nid } of users) expect(rows.filter(({ row }) => row.includes(nid))).toEqual([]);
  for (const { token, nid } of users) {
    for (const node of [t, ...nodes]) {
      expect((await node.request('GET', '/api/profile', { token })).body).toMatchObject({ nid });
    }
  }
  const lines = nodes.flatMap(({ logLines }) => logLines).join('');
  for (const { nid } of users) expect(lines).not.toContain(nid);
  await expect(migration.down(runner)).rejects.toThrow('national ids are encrypted');
  await runner.release();
  for (const node of nodes) await node.stop();
});

import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BatchedQuery } from '../../src/database/statements/batched-query.js';
import { POOL } from '../../src/database/connections/pool.js';
import { startApp, type TestApp } from '../support/app.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

describe('BatchedQuery', () => {
  /** Each row has the number of rows of its query. The query takes so many seconds. */
  const open = (seconds: number, maxWaitMs?: number) => {
    const text = `select id, count(*) over ()::int as rows from unnest($1::text[]) id, pg_sleep(${seconds})`;
    const query = { name: `batched-query-${seconds}`, text };
    return new BatchedQuery<{ id: string; rows: number }>(t.app.get<Pool>(POOL), query, ({ id }) => id, maxWaitMs);
  };
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

  it('shares a query among the requests of a turn, and tells each its row', async () => {
    const query = open(0);
    const rows = await Promise.all(['a', 'b', 'a'].map((id) => query.find(id)));
    expect(rows).toEqual(['a', 'b', 'a'].map((id) => ({ id, rows: 2 })));
  });

  it('shares a query among the requests that arrive while another one runs', async () => {
    const query = open(0.1, 10_000);
    const first = query.find('a');
    await turn();
    const second = query.find('b');
    await turn();
    const third = query.find('c');
    expect((await first)?.rows).toBe(1);
    expect((await second)?.rows).toBe(2);
    expect((await third)?.rows).toBe(2);
  });

  it('goes on after a query that failed', async () => {
    const query = new BatchedQuery<{ id: string }>(
      t.app.get<Pool>(POOL),
      { name: 'batched-query-fails', text: 'select id::text from unnest($1::text[]::uuid[]) id' },
      ({ id }) => id,
    );
    await expect(query.find('no id')).rejects.toThrow(/uuid/);
    const id = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';
    expect(await query.find(id)).toEqual({ id });
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { AuditPartitions1797002001000 } from '../../migrations/1797002001000-audit-partitions.js';
import { AuditPartitionsWorker } from '../../src/audit/audit-partitions.worker.js';
import { newDataSource } from '../../src/database/data-source.js';
import { startApp, type TestApp } from '../support/app.js';
import { admin, dropDatabase } from '../support/setup/global-setup.js';

const DAY = 86_400_000;
const apps: TestApp[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.stop();
});

async function start(env: Record<string, string> = {}): Promise<TestApp> {
  const t = await startApp({ env });
  apps.push(t);
  return t;
}

const partitionsOf = async ({ dataSource }: { dataSource: DataSource }): Promise<string[]> => {
  const rows = await dataSource.query<{ name: string }[]>(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_events'::regclass order by 1`,
  );
  return rows.map(({ name }) => name);
};

const run = (t: TestApp) => t.app.get(AuditPartitionsWorker).run();
const nameOf = (time: number) => `audit_events_${new Date(time).toISOString().slice(0, 7).replace('-', '_')}`;
const countOlder = async (t: TestApp, time: number): Promise<number> => {
  const sql = 'select count(*)::int as count from audit_events where at < $1';
  return (await t.dataSource.query<[{ count: number }]>(sql, [new Date(time)]))[0].count;
};

describe('partitions of audit_events', () => {
  it('exist for this month and the next ones, and are created as the months pass', async () => {
    const t = await start();
    expect(await partitionsOf(t)).toEqual(expect.arrayContaining([nameOf(t.clock.now()), 'audit_events_default']));
    t.clock.advance(100 * DAY);
    await Promise.all([run(t), run(t)]); // as two processes do
    expect(await partitionsOf(t)).toContain(nameOf(t.clock.now()));
    await t.user();
    const [{ name }] = await t.dataSource.query<[{ name: string }]>(
      'select tableoid::regclass::text as name from audit_events order by id desc limit 1',
    );
    expect(name).toBe(nameOf(t.clock.now()));
  });

  it('are dropped when all their events are older than AUDIT_RETENTION', async () => {
    const t = await start({ AUDIT_RETENTION: '90d' });
    const first = t.clock.now();
    await t.user();
    t.clock.advance(60 * DAY);
    await run(t);
    await t.user();
    expect(await countOlder(t, first + DAY)).toBeGreaterThan(0);
    t.clock.set(first + 125 * DAY);
    await run(t);
    expect(await partitionsOf(t)).not.toContain(nameOf(first));
    expect(await countOlder(t, first + DAY)).toBe(0);
    expect(await countOlder(t, t.clock.now())).toBeGreaterThan(0); // those of 60 days later
  });

  it('are kept for ever with AUDIT_RETENTION=never', async () => {
    const t = await start({ AUDIT_RETENTION: 'never' });
    const first = t.clock.now();
    t.clock.advance(4_000 * DAY);
    await run(t);
    expect(await partitionsOf(t)).toContain(nameOf(first));
  });

  it('take events of a month without a partition into the default one, which is emptied when they have expired', async () => {
    const t = await start({ AUDIT_RETENTION: '90d' });
    const first = t.clock.now();
    t.clock.advance(200 * DAY);
    await t.user(); // before the worker runs
    expect(await countOlder(t, first + 201 * DAY)).toBeGreaterThan(0);
    await run(t);
    await t.user();
    expect(await partitionsOf(t)).not.toContain(nameOf(t.clock.now()));
    t.clock.advance(95 * DAY);
    await run(t);
    expect(await countOlder(t, t.clock.now())).toBe(0);
    await t.user();
  });

  it.each(['update %s set succeeded = true', 'delete from %s', 'truncate %s'])(
    'cannot be rewritten: %s',
    async (sql) => {
      const t = await start();
      t.clock.advance(100 * DAY);
      await run(t);
      await t.user();
      for (const table of ['audit_events', nameOf(t.clock.now())]) {
        await expect(t.dataSource.query(sql.replace('%s', table))).rejects.toMatchObject({ code: 'MA002' });
      }
    },
  );

  it('do not stop sign-ins when they cannot be created', async () => {
    const t = await start();
    await t.dataSource.query('alter table audit_events_default rename to audit_events_lost');
    t.clock.advance(200 * DAY);
    await run(t);
    await t.user();
    await t.dataSource.query('alter table audit_events_lost rename to audit_events_default');
  });
});

describe('the upgrade of audit_events with data', () => {
  const database = `machi_upgrade_${randomBytes(6).toString('hex')}`;
  let dataSource: DataSource;
  beforeAll(async () => {
    const template = inject('connection');
    await admin(template, `create database ${database} template ${template.database}`);
    dataSource = await newDataSource({ ...template, database }, { size: 2, statementTimeout: 0 }).initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await dropDatabase(inject('connection'), database);
  });

  const migrate = async (direction: 'up' | 'down'): Promise<void> => {
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await new AuditPartitions1797002001000()[direction](runner);
    await runner.commitTransaction();
    await runner.release();
  };
  const rowsOf = () =>
    dataSource.query<object[]>('select id, at, action, succeeded, ip, details from audit_events order by id');

  it('keeps every row, its id and its protection, and can be reverted', async () => {
    await migrate('down');
    await dataSource.query(
      `insert into audit_events (at, action, succeeded, ip, details)
       select now() - i * interval '1 day', 'session.opened', true, '203.0.113.9', jsonb_build_object('i', i)
       from generate_series(0, 1000) i`,
    );
    const before = await rowsOf();
    await migrate('up');
    expect(await rowsOf()).toEqual(before);
    expect(await partitionsOf({ dataSource })).toContain('audit_events_initial');
    const insert = `insert into audit_events (at, action, succeeded) values ($1, 'user.created', true) returning id`;
    const [now] = await dataSource.query<[{ id: string }]>(insert, [new Date()]);
    const [later] = await dataSource.query<[{ id: string }]>(insert, [new Date(Date.now() + 40 * DAY)]);
    expect([Number(now.id), Number(later.id)]).toEqual([1002, 1003]);
    for (const table of ['audit_events', 'audit_events_initial']) {
      await expect(dataSource.query(`delete from ${table}`)).rejects.toMatchObject({ code: 'MA002' });
      await expect(dataSource.query(`truncate ${table}`)).rejects.toMatchObject({ code: 'MA002' });
    }
    await migrate('down');
    expect(await rowsOf()).toHaveLength(1003);
    const [next] = await dataSource.query<[{ id: string }]>(insert, [new Date()]);
    expect(Number(next.id)).toBe(1004);
    await migrate('up');
    expect(await rowsOf()).toHaveLength(1004);
  });
});

import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { newDataSource } from '../../src/database/data-source.js';
import type { DatabaseConnection } from '../../src/config/database/database-connection.js';
import { PASSWORD, startApp } from '../support/app.js';
import { connect } from '../support/clients/chat-client.js';
import { admin, dropDatabase } from '../support/setup/global-setup.js';
import { IDS, installVersion010, LATER_MIGRATIONS, runMigration } from '../support/version-0-1-0.js';

/**
 * Migrations that lock tables of the released version against writes, or against reads as well, each with the reason why that
 * is short. A new one is refused unless it is listed here: `create index` without `concurrently`, a column with a default that
 * is computed, a changed type and a validated constraint read or rewrite the whole table under the lock.
 */
const LOCKS: Record<string, { tables: string[]; reason: string }> = {
  StandardNames1796000000000: {
    tables: [
      'mails',
      'participants',
      'rate_limit_counters',
      'rejected_images',
      'sessions',
      'two_factor',
      'two_factor_challenges',
    ],
    reason: 'renames, which change the catalogue only',
  },
  MailAndTriggerNames1796001007000: {
    tables: ['mails', 'users'],
    reason: 'mails has the messages of a week; on users a trigger is renamed',
  },
  AccountRecovery1797001000000: {
    tables: ['email_verifications', 'groups', 'two_factor_challenges', 'users'],
    reason: 'columns without a computed default, triggers; the check on users is on a new, empty column',
  },
  SessionClients1797002000000: { tables: ['sessions'], reason: 'columns without a default' },
  AuditPartitions1797002001000: {
    tables: ['audit_events_initial'],
    reason:
      'attaches the table as it is; its new primary key takes as long as one index (docs/decisions/audit-retention.md)',
  },
  ContactRequestsAndBlocks1797003000000: {
    tables: ['conversations'],
    reason: 'a column with a constant default',
  },
  SearchFolding1797006000000: {
    tables: ['users'],
    reason: 'rebuilds the search index; docs/upgrading.md tells so',
  },
  EncryptedNationalId1801001000000: {
    tables: ['users'],
    reason: 'a column without a default; a partial index on the users with a national id',
  },
  VaccinationMessages1801005000000: { tables: ['mails'], reason: 'mails has the messages of a week' },
  ConversationRevisions1809300000000: { tables: ['messages'], reason: 'builds an index; docs/upgrading.md tells so' },
  ConversationRoles1809400000000: {
    tables: ['conversation_members', 'conversations'],
    reason: 'columns with constant defaults, which are then filled and checked; docs/upgrading.md tells so',
  },
  Attachments1809700000000: { tables: ['messages'], reason: 'a column without a default' },
  MessageReferences1809770000000: {
    tables: ['conversations', 'messages', 'participants'],
    reason: 'drops two foreign keys and adds triggers, which change the catalogue only',
  },
  MessageChanges1809400001000: { tables: ['messages'], reason: 'columns without a default' },
  ExpiryIndexes1809790000000: {
    tables: ['email_verifications', 'sessions'],
    reason: 'builds indexes; docs/upgrading.md tells so',
  },
  CounterIndex1809790001000: {
    tables: ['rate_limit_counters'],
    reason: 'builds an index; docs/upgrading.md tells so',
  },
  NodeLeases1809300001000: { tables: ['chat_nodes'], reason: 'a row per process' },
};

/** Migrations that write a table of the released version anew. */
const REWRITES: Record<string, { tables: string[]; reason: string }> = {};

const name = `machi_upgrade_${randomBytes(6).toString('hex')}`;
let connection: DatabaseConnection;
let dataSource: DataSource;
let before: Record<string, object[]>;
const locked: Record<string, string[]> = {};
const rewritten: Record<string, string[]> = {};

interface Relation {
  oid: string;
  name: string;
  file: string;
}

/** Tables of 0.1.0 by their ids, which stay when they are renamed. */
const relations = (): Promise<Relation[]> =>
  dataSource.query<Relation[]>(
    `select oid, relname as name, relfilenode as file from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname <> 'migrations' order by relname`,
  );

async function dump(tables: string[]): Promise<Record<string, object[]>> {
  const rows = tables.map(async (table) => {
    const found = await dataSource.query<{ row: object }[]>(
      `select to_jsonb(t) as row from ${table} t order by t::text`,
    );
    return [table, found.map(({ row }) => row)] as const;
  });
  return Object.fromEntries(await Promise.all(rows));
}

beforeAll(async () => {
  const template = inject('connection');
  await admin(template, `create database ${name}`);
  connection = { ...template, database: name };
  await installVersion010(connection);
  dataSource = await newDataSource(connection, { size: 4, statementTimeout: 0 }).initialize();
  const tables = await relations();
  before = await dump(tables.map((table) => table.name));
  const old = tables.map(({ oid }) => oid);
  const runner = dataSource.createQueryRunner();
  for (const Migration of LATER_MIGRATIONS) {
    const files = new Map((await relations()).map(({ oid, file }) => [oid, file]));
    await runMigration(runner, Migration, 'up', async () => {
      const held = (await runner.query(
        `select c.relname as name, c.oid, c.relfilenode as file, array_agg(distinct l.mode) as modes
          from pg_locks l join pg_class c on c.oid = l.relation
          where l.pid = pg_backend_pid() and c.oid = any ($1::oid[])
            and l.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
          group by c.oid
          -- A foreign key of a new, empty table reads nothing.
          having array_agg(distinct l.mode) <> '{ShareRowExclusiveLock}' or not exists (
            select from pg_constraint k where k.contype = 'f' and k.confrelid = c.oid and k.conrelid <> all ($1::oid[]))
          order by c.relname`,
        [old],
      )) as (Relation & { modes: string })[];
      const key = new Migration().name;
      if (held.length > 0) locked[key] = held.map((table) => table.name);
      const anew = held.filter(({ oid, file }) => files.get(oid) !== file);
      if (anew.length > 0) rewritten[key] = anew.map((table) => table.name);
    });
  }
  await runner.release();
});
afterAll(async () => {
  if (dataSource?.isInitialized) await dataSource.destroy();
  await dropDatabase(inject('connection'), name);
});

describe('the upgrade of a database of 0.1.0', () => {
  it('starts from a database with rows in every table', () => {
    expect(Object.keys(before).length).toBeGreaterThan(24);
    expect(Object.entries(before).filter(([, rows]) => rows.length === 0)).toEqual([]);
  });

  it('locks tables of 0.1.0 only in migrations that are listed with a reason, and lists no others', () => {
    const listed = Object.fromEntries(Object.entries(LOCKS).map(([key, { tables }]) => [key, tables]));
    expect(locked).toEqual(listed);
  });

  it('writes tables of 0.1.0 anew only in migrations that are listed with a reason', () => {
    const listed = Object.fromEntries(Object.entries(REWRITES).map(([key, { tables }]) => [key, tables]));
    expect(rewritten).toEqual(listed);
  });

  it('can be reverted, migration by migration, to the same rows, and done again', async () => {
    const runner = dataSource.createQueryRunner();
    for (const Migration of LATER_MIGRATIONS.toReversed()) await runMigration(runner, Migration, 'down');
    const after = await dump((await relations()).map((table) => table.name));
    expect(after).toEqual(before);
    for (const Migration of LATER_MIGRATIONS) await runMigration(runner, Migration, 'up');
    await runner.release();
  });

  it('keeps accounts, rights, conversations and audit events, and a user goes on with the old password', async () => {
    const t = await startApp({ database: connection, env: { BCRYPT_COST: '4' } });
    try {
      const token = await t.signIn('hana.sato', PASSWORD);
      const me = await t.request('GET', '/api/users/me', { token });
      expect(me.body).toMatchObject({ id: IDS.hana, fullname: 'Hana Sato', email: 'hana@example.org' });
      expect((await t.request('GET', '/api/profile', { token })).body).toMatchObject({ nid: '1990123456789' });
      const groups = await t.request('GET', '/api/groups', { token });
      expect(groups.body['items']).toMatchObject([{ name: 'Harbour', permissions: ['admin'] }]);
      const audit = await t.request('GET', '/api/audit?action=user.created', { token });
      expect(audit.body['items']).toMatchObject([{ subject_id: IDS.hana }]);
      const client = await connect(t, { token, username: 'hana.sato' });
      const { messages } = await client.get('get_messages', { conversation_id: 7 });
      expect(JSON.stringify(messages)).toContain('Ebb');
      await client.get('send_message', { conversation_id: 7, content: 'Flow', nonce: 'n1' });
      await client.close();
    } finally {
      await t.stop();
    }
  });
});

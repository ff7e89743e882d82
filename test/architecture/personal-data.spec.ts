import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';
import { PersonalDataRegistryService } from '../../src/personal-data/personal-data-registry.service.js';
import type { Fate, PersonalTable } from '../../src/personal-data/personal-data.js';
import { startApp, type TestApp } from '../support/app.js';

/** Tables without data about users, each with the reason. A table that is neither here nor in the registry fails the test. */
const OTHER_TABLES: Record<string, string> = {
  groups: 'names and permissions; the members are in group_members',
  accepted_issuers: 'addresses of identity providers',
  avatar_removals: 'ids of files, for seconds',
  page_removals: 'ids of files, for seconds',
  attachment_removals: 'ids of files, for seconds',
  chat_nodes: 'processes',
  conversations: 'names; the members are in conversation_members',
  message_texts: 'copies of messages, for searching; changed and deleted with them',
  message_search_positions: 'how far a conversation can be searched',
  push_messages: 'ids of messages that may have to be pushed, for seconds; deleted with them',
  push_deliveries: 'which message is pushed to which of the push_subscriptions; deleted with these',
  vaccines: 'a catalogue',
  vaccination_centres: 'places',
  vaccine_lots: 'stock',
  vaccine_recalls: 'numbers of lots and reasons',
  vaccination_sessions: 'dates and counts',
  projects: 'works that are published',
  project_slugs: 'addresses of projects',
  release_groups: 'names of groups',
  chapter_release_groups: 'groups of chapters',
  pages: 'images of chapters',
  migrations: 'the schema',
};

/** Columns with ids of users that no foreign key shows. Sessions of vaccination are something else. */
const NAMED_AFTER_USERS = /(^|_)(user_id|actor_id|participant_id|subject_id|\w+_by)$|^session_id$/;

let t: TestApp;
let tables: Map<string, PersonalTable & { module: string }>;
beforeAll(async () => {
  t = await startApp();
  const sources = t.app.get(PersonalDataRegistryService).list();
  tables = new Map(
    sources.flatMap(({ module, tables: own }) =>
      Object.entries(own).map(([name, table]) => [name, { ...table, module }] as const),
    ),
  );
});
afterAll(() => t.stop());

const columns = (sql: string) =>
  t.dataSource.query<{ name: string; column: string; type: string; on_delete: string }[]>(sql);

const FOREIGN_KEYS = `select c.conrelid::regclass::text as name, a.attname as column, c.confdeltype as on_delete
  from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
  where c.contype = 'f' and cardinality(c.conkey) = 1
    and c.confrelid in ('users'::regclass, 'participants'::regclass, 'two_factor'::regclass,
      'vaccination_registrations'::regclass)`;

const ALL_COLUMNS = `select c.relname as name, a.attname as column, a.atttypid::regtype as type from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`;

describe('the registry of personal data', () => {
  it('names every table, unless the table is listed here as one without personal data', async () => {
    const names = new Set((await columns(ALL_COLUMNS)).map(({ name }) => name));
    expect(names.size).toBeGreaterThan(50);
    expect([...names].filter((name) => !tables.has(name) && !(name in OTHER_TABLES))).toEqual([]);
    expect([...tables.keys(), ...Object.keys(OTHER_TABLES)].filter((name) => !names.has(name))).toEqual([]);
    expect([...tables.keys()].filter((name) => name in OTHER_TABLES)).toEqual([]);
  });

  it('names each column that refers to a user, with what its foreign key does at the deletion', async () => {
    const found = await columns(FOREIGN_KEYS);
    expect(found.length).toBeGreaterThan(30);
    const fates: Record<string, Fate[]> = { c: ['deleted'], n: ['unlinked'], a: ['unlinked', 'kept'] };
    const wrong = found.filter(({ name, column, on_delete }) => {
      const fate = tables.get(name)?.columns[column];
      return !fate || !fates[on_delete]?.includes(fate);
    });
    expect(wrong).toEqual([]);
  });

  it('names each column that is called like one with the id of a user, and no column that does not exist', async () => {
    const all = await columns(ALL_COLUMNS);
    const missing = all.filter(
      ({ name, column, type }) =>
        ['uuid', 'bigint'].includes(type) &&
        NAMED_AFTER_USERS.test(column) &&
        !(column === 'session_id' && name.startsWith('vaccination_')) &&
        tables.get(name)?.columns[column] === undefined,
    );
    expect(missing).toEqual([]);
    const known = new Set(all.map(({ name, column }) => `${name}.${column}`));
    const named = [...tables].flatMap(([name, table]) =>
      Object.keys(table.columns).map((column) => `${name}.${column}`),
    );
    expect(named.filter((column) => !known.has(column))).toEqual([]);
  });
});

describe('the register in docs/security.md', () => {
  const text = readFileSync(join(packageRoot(), 'docs/security.md'), 'utf8');
  const section = /^## Register of personal data\n(.*?)^## /ms.exec(text)?.[1] ?? '';
  /** Tables, what and why, how long, file of the export, what happens at the deletion. */
  const rows = [...section.matchAll(/^\| `.*\|$/gm)].map(([row]) => {
    const [names = '', what = '', how = '', file = '', fate = ''] = row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    return { names: [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name!), what, how, file, fate };
  });
  const rowOf = (name: string) => rows.filter(({ names }) => names.includes(name));

  it('has each table of the registry once, and no other', () => {
    expect([...tables.keys()].filter((name) => rowOf(name).length !== 1)).toEqual([]);
    expect(rows.flatMap(({ names }) => names).filter((name) => !tables.has(name))).toEqual([]);
    expect(rows.filter(({ what, how }) => what === '' || how === '')).toEqual([]);
  });

  it('tells the file of the export, or why there is none, and what the deletion does, as the registry does', () => {
    const wrong = [...tables].flatMap(([name, { module, file, columns: own }]) => {
      const row = rowOf(name)[0]!;
      const expected = file === null ? /^no: / : new RegExp(`^\`${module}/${file.replaceAll(/[.<>]/g, '\\$&')}\``);
      const told = new Set(row.fate.match(/\b(deleted|unlinked|kept)\b/g));
      const isRight = expected.test(row.file) && Object.values(own).every((fate) => told.has(fate));
      // Some rows that are unlinked are deleted a moment later.
      const isTrue = [...told].every((fate) => fate === 'deleted' || Object.values(own).includes(fate as Fate));
      return isRight && isTrue ? [] : [{ name, ...row }];
    });
    expect(wrong).toEqual([]);
  });
});

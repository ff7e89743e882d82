import bcrypt from 'bcrypt';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runSweepers } from '../../src/cli/sweepers.js';
import { NoticesWorker } from '../../src/vaccination/messages/notices.worker.js';
import { MetricsService } from '../../src/metrics/metrics.service.js';
import { ACCESS_TABLE } from '../support/api/access-table.js';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { asyncapi } from '../support/api/asyncapi.js';
import { createDatabase, type TestDatabase } from '../support/setup/database.js';
import { fillLargeDatabase } from '../../bench/large-database.mjs';
import { ORIGIN } from '../support/clients/passkey-client.js';
import { nodesOf, type PlanNode, rowsRead, scannedTables } from '../support/statements/query-plan.js';
import { type Smtp, startSmtp } from '../support/servers/smtp-server.js';
import { type RecordedStatement, StatementRecorder } from '../support/statements/statement-recorder.js';
import { walkAccounts, walkAvatars, walkCompat, walkCredentials, walkOldResets } from '../support/walk/accounts.js';
import { walkAttachments, walkChatEvents, walkChatRoutes } from '../support/walk/chat.js';
import { walkPublishing, walkReading } from '../support/walk/projects.js';
import { walkVaccinationDay, walkVaccinationLists } from '../support/walk/vaccination.js';
import { Walker } from '../support/walk/walker.js';

const ROWS = 100_000;
/** A table of this many rows must not be read from start to end. */
const LARGE = 10_000;
/** No statement may read more rows of a table than this: it would grow with the table, whatever its plan says. */
const MOST_ROWS = 5_000;

/** A request sends the same statement at most so often; more is likely to be one for each item. */
const MOST_REPEATED = 5;

/** How many statements a request to a route sends at most. A route that needs more is changed here by hand. */
const STATEMENTS = join(import.meta.dirname, 'statements-per-route.json');

/** auto_explain sends the plan of each statement, and of those inside functions and triggers, to the client. */
const EXPLAIN = {
  session_preload_libraries: `'auto_explain'`,
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_level': 'notice',
  'auto_explain.log_format': 'json',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_timing': 'off',
  'auto_explain.log_nested_statements': 'on',
  'auto_explain.log_parameter_max_length': '0',
};

/** Successful requests to a route, in the metrics. */
const COUNTED = /^http_requests_total\{method="(\w+)",route="([^"]+)",status="[23]\d\d"\}/gm;

/** What may read a large table or repeat a statement, by what sends it, its file and the table, each with the reason. */
const ALLOWED: [name: RegExp, reason: string][] = [
  [/first-administrator.*users/, 'asks whether there is a user: ends at the first row'],
  [/GET \/api\/v1\/User .*users/, 'the replaced system documents the total number'],
  [/GET \/api\/users .*users/, 'a search for two letters, which most names contain, has no trigram to look up'],
  [
    /chat get_(members|conversation_info) .*participants/,
    '500 members: fewer pages than 500 look-ups, until the table is larger',
  ],
  [
    /GET \/api\/me\/(follows|favourites) .*projects/,
    '50 projects: fewer pages than as many look-ups, until the table is larger',
  ],
  [/GET \/api\/(opds\/(v2\/)?)?projects .*\b(q|query)=.*projects/, 'sorts all that are found by their similarity'],
  [/\/me\/announcements\/.*(announcements|projects)/, 'counts or marks all that are unread'],
  [/GET \/api\/vaccination\/sessions .*near=/, 'sorts all open sessions by their distance'],
  [
    /chat (sync|get_conversations) .*conversations/,
    '100 conversations: fewer pages than as many look-ups, until the table is larger',
  ],
  [/upload-cleanup.* uploads/, 'uploads are deleted a day after they end: the table stays small'],
  [/GET \/api\/vaccination\/reports\//, 'counts all of a period'],
  [/GET \/api\/vaccination\/exports\//, 'exports a table, or the part of a district'],
  [/push-candidates/, 'reads who has subscribed, in the background'],
  [/sessions\/recurring \d+ × .*audit_events/, 'records each session that it creates'],
  [/waitlist\/promotions/, 'reads the queue of all who wait, in the background'],
];

let database: TestDatabase;
let t: TestApp;
let smtp: Smtp;
let w: Walker;
let client: pg.Client;
let largeTables: Set<string>;
const recorder = new StatementRecorder();

beforeAll(async () => {
  database = await createDatabase();
  await (await startApp({ database: database.connection })).stop(); // creates the first administrator
  // auto_explain is for superusers: of the server of this run, or of DATABASE_URL
  const user = process.env['DATABASE_URL'] ? database.connection.user : 'postgres';
  client = new pg.Client({ ...database.connection, user });
  await client.connect();
  await fillLargeDatabase(client, ROWS);
  largeTables = new Set(await tablesWithRows(LARGE));
  const hash = await bcrypt.hash(PASSWORD, 4);
  await client.query(`update users set password_hash = $1 where username = 'person1'`, [hash]);
  for (const [name, value] of Object.entries(EXPLAIN))
    await client.query(`alter database ${database.connection.database} set ${name} = ${value}`);
  smtp = await startSmtp();
  recorder.start();
  recorder.ignore(client);
  t = await startApp({
    database: database.connection,
    env: {
      SMTP_URL: smtp.url,
      PUBLIC_URL: 'https://machi.example',
      ALLOWED_ORIGINS: ORIGIN,
      EXTERNAL_IDENTITY: 'trusted-subject',
      IDENTITY_TOKEN_TTL: 'never',
      DEFAULT_VACCINE: 'LARGE-1',
      METRICS_PORT: '0',
    },
  });
  const token = await t.signIn('person1', PASSWORD);
  const { body } = await t.request('GET', '/api/users/me', { token });
  const person = { id: body.id, username: 'person1', password: PASSWORD, token };
  const queryRow = async <Row>(sql: string, values: unknown[] = []) => (await client.query(sql, values)).rows[0] as Row;
  w = new Walker(t, recorder, queryRow, person, await t.asAdmin());
}, 240_000);
afterAll(async () => {
  recorder.stop();
  await t.stop();
  await smtp.stop();
  await client.end();
  await database.drop();
});

const tablesWithRows = async (count: number): Promise<string[]> => {
  const sql = `select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and reltuples >= $1`;
  const { rows } = await client.query<{ relname: string }>(sql, [count]);
  return rows.map(({ relname }) => relname);
};

describe.sequential('with 10⁵ rows in each large table', () => {
  it.each<[string, () => Promise<void>]>([
    ['accounts', () => walkAccounts(w)],
    ['credentials', () => walkCredentials(w, smtp)],
    ['avatars', () => walkAvatars(w)],
    ['old systems', () => walkCompat(w)],
    ['resets of old systems', () => walkOldResets(w, smtp)],
    ['chat events', () => walkChatEvents(w)],
    ['chat routes', () => walkChatRoutes(w)],
    ['attachments', () => walkAttachments(w)],
    ['reading', () => walkReading(w)],
    ['publishing', () => walkPublishing(w)],
    ['vaccination lists', () => walkVaccinationLists(w)],
    ['vaccination day', () => walkVaccinationDay(w)],
    ['background', () => walkBackground()],
  ])('%s', (_, walk) => walk(), 60_000);

  it('every route and every chat event has been called, with success', async () => {
    const metrics = await t.app.get(MetricsService).write();
    const called = new Set(recorder.requests.map(({ route }) => route).filter((route) => route.startsWith('chat ')));
    for (const [, method, path] of metrics.matchAll(COUNTED)) called.add(`${method} ${path}`);
    const events = Object.keys(asyncapi.operations).filter((name) => `${name}.request` in asyncapi.components.messages);
    const all = [...Object.keys(ACCESS_TABLE), ...events.map((type) => `chat ${type}`)];
    expect(all.filter((name) => name !== 'GET /api/ws' && !called.has(name))).toEqual([]);
  });

  it('no statement reads a large table from start to end, or more than 5,000 rows of it', () => {
    const found = new Map<string, string>();
    for (const statement of recorder.statements)
      for (const { query, root } of statement.plans)
        for (const node of nodesOf(root))
          for (const fault of faultsOf(node)) found.set(`${nameOf(statement)} ${fault}`, query);
    for (const name of found.keys()) if (isAllowed(name)) found.delete(name);
    expect([...found].map(([name, query]) => `${name}\n    ${query.replaceAll(/\s+/g, ' ').slice(0, 300)}`)).toEqual(
      [],
    );
  });

  it('no named statement is planned for a scan of a large table when PostgreSQL plans it without its values', async () => {
    const texts = new Map(recorder.statements.filter(({ isNamed }) => isNamed).map((one) => [one.text, one]));
    const found: string[] = [];
    for (const [text, statement] of texts) {
      const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
        `explain (generic_plan, format json) ${text}`,
      );
      const scanned = scannedTables(rows[0]!['QUERY PLAN'][0].Plan).filter((name) => largeTables.has(name));
      if (scanned.length > 0 && !isAllowed(`${nameOf(statement)} ${scanned.join(' ')}`))
        found.push(`${nameOf(statement)} ${scanned.join(', ')}\n    ${text.slice(0, 300)}`);
    }
    expect([texts.size > 10, found]).toEqual([true, []]);
  });

  it('no list sends a statement per item', () => {
    const grown = w.lists.filter(({ statements: [one, many] }) => many > one);
    const short = w.lists.filter(({ sizes: [, many] }) => many < 20);
    expect({ grown, short }).toEqual({ grown: [], short: [] });
    const repeated = recorder.requests.flatMap(({ route, statements }) => {
      const counts = new Map<string, number>();
      for (const { text } of statements) counts.set(text, (counts.get(text) ?? 0) + 1);
      return [...counts]
        .filter(([, count]) => count > MOST_REPEATED)
        .map(([text, count]) => `${route} ${count} × ${text}`);
    });
    expect(repeated.filter((name) => !isAllowed(name))).toEqual([]);
  });
});

it('no route and no chat event sends more statements than statements-per-route.json allows', () => {
  const allowed = JSON.parse(readFileSync(STATEMENTS, 'utf8')) as Record<string, number>;
  const more = recorder.requests
    .filter(({ route, status, statements }) => status < 400 && statements.length > (allowed[route] ?? 0))
    .map(({ route, statements }) => [route, statements.length, ...statements.map(({ text }) => text)]);
  expect(more).toEqual([]);
});

const isAllowed = (name: string): boolean => ALLOWED.some(([pattern]) => pattern.test(name));

const nameOf = ({ request, source }: RecordedStatement): string =>
  `${request?.route ?? 'worker'} (${source}) ${request?.url.split('?')[1] ?? ''}`;

function faultsOf(node: PlanNode): string[] {
  const table = node['Relation Name'];
  if (table === undefined) return [];
  const type = node['Node Type'];
  if (type === 'Seq Scan' && largeTables.has(table)) return [`Seq Scan ${table}`];
  return rowsRead(node) > MOST_ROWS ? [`${rowsRead(node)} rows ${type} ${table}`] : [];
}

async function walkBackground(): Promise<void> {
  const results = await runSweepers(t.app, () => undefined);
  expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
  await t.app.get(NoticesWorker, { strict: false }).remind();
  await w.settle();
}

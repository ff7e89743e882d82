import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/setup/database.js';

const NONCE = '0190a000-0000-7000-8000-000000000001';
const STORED_NONCE = '0190a000-0000-7000-8000-000000000002';
/** Of the conversation, after `beforeAll`. */
const [VERSION, REVISION] = [3, 4];

interface Message {
  conversation: number;
  sender: number;
  reply: number | null;
  nonce: string;
  content: string;
  version: number | null;
  delivered: number | null;
}

let database: TestDatabase;
let client: Client;
let conversation: number;
let stored: number;
let [member, blocked, stranger]: number[] = [];
let usual: Message;

beforeAll(async () => {
  database = await createDatabase();
  client = await open();
  let participants: number[];
  ({ conversation, participants } = await prepare(client));
  [member, blocked, stranger] = participants;
  usual = {
    conversation,
    sender: member!,
    reply: null,
    nonce: NONCE,
    content: 'text',
    version: VERSION,
    delivered: null,
  };
  stored = Number((await appendMany(client, { ...usual, nonce: STORED_NONCE })).at(-1)!.id);
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

/** Creates three users and a conversation of the first two. */
async function prepare(on: Client): Promise<{ conversation: number; participants: number[] }> {
  await on.query(`insert into users (id, username, fullname, created_at, updated_at)
    select gen_random_uuid(), 'user' || i, 'User', now(), now() from generate_series(1, 3) i`);
  const users = await on.query<{ id: string }>(
    `select p.id from participants p join users u on u.id = p.user_id where u.username like 'user_' order by u.username`,
  );
  const participants = users.rows.map(({ id }) => Number(id));
  const added = await on.query<{ id: string }>(
    `insert into conversations (name, created_at) values ('test', now()) returning id`,
  );
  const id = Number(added.rows[0]!.id);
  await on.query(`update conversations set revision = ${VERSION - 1} where id = $1`, [id]);
  await on.query(
    `insert into conversation_members (conversation_id, participant_id, created_at) select $1, unnest($2::bigint[]), now()`,
    [id, participants.slice(0, 2)],
  );
  return { conversation: id, participants };
}

async function open(): Promise<Client> {
  const opened = new Client(database.connection);
  await opened.connect();
  return opened;
}

interface Row {
  kind: string;
  id: string | null;
  revision: string | null;
}

async function appendOne(on: Client, message: Message): Promise<Row[]> {
  const { conversation: id, sender, reply, nonce, content, version, delivered } = message;
  const values = [id, sender, reply, nonce, content, 1_000_000, version, delivered];
  return (await on.query<Row>('select * from append_message($1, $2, $3, $4, $5, $6, $7, $8)', values)).rows;
}

async function appendMany(on: Client, message: Message): Promise<Row[]> {
  const { conversation: id, sender, reply, nonce, content, version, delivered } = message;
  const values = [[id], [sender], [reply], [nonce], [content], 1_000_000, [id], [version], [delivered]];
  return (await on.query<Row>('select * from append_messages($1, $2, $3, $4, $5, $6, $7, $8, $9)', values)).rows;
}

/** What a function returns and leaves in the tables, with ids relative to the sequence, which no rollback resets. */
async function resultOf(append: typeof appendOne, message: Message, preparation: string): Promise<unknown> {
  await client.query('begin');
  try {
    await client.query(preparation);
    const sequence = await client.query<{ last: string }>(
      `select nextval(pg_get_serial_sequence('messages', 'id')) as last`,
    );
    const last = Number(sequence.rows[0]!.last);
    const relative = (id: string | null): number => (Number(id) > last ? Number(id) - last : Number(id));
    const rows = (await append(client, message)).map((row) => ({ ...row, id: relative(row.id) }));
    const contents = [];
    for (const table of [
      `select id, last_sequence, revision from conversations`,
      `select participant_id, read_sequence, read_message_id > ${last} as is_read from conversation_members order by 1`,
      `select id - ${last} as id, sequence, revision, sender_id, reply_id, nonce, content, sent_at from messages where id > ${last}`,
    ])
      contents.push((await client.query(table)).rows);
    return { rows, contents };
  } finally {
    await client.query('rollback');
  }
}

const BLOCK = `insert into blocks (participant_id, blocked_id, created_at)
    select a.participant_id, b.participant_id, now() from conversation_members a, conversation_members b
    where a.participant_id < b.participant_id;
  update conversations set has_blocks = true`;

const cases: [name: string, kinds: string[], change: () => Partial<Message>, preparation?: string][] = [
  ['a message', ['stored'], () => ({})],
  ['a reply', ['stored'], () => ({ reply: stored })],
  ['a reply to nothing', ['reply_not_found'], () => ({ reply: stored + 1000 })],
  ['a message sent again', ['duplicate'], () => ({ nonce: STORED_NONCE })],
  ['another message with the same nonce', ['conflict'], () => ({ nonce: STORED_NONCE, content: 'other' })],
  ['a message of a stranger', ['not_a_member'], () => ({ sender: stranger! })],
  ['a message to no conversation', ['not_a_member'], () => ({ conversation: 123_456 })],
  ['a message of a deleted user', ['stored'], () => ({}), `delete from users where username = 'user1'`],
  ['a message of a blocked user', ['not_a_member'], () => ({ sender: blocked! }), BLOCK],
  ['a message with unknown members', ['stored', 'members'], () => ({ version: null })],
  ['a message with outdated members', ['stored', 'members'], () => ({ version: VERSION - 1 })],
  ['a message after all was delivered', ['stored'], () => ({ delivered: REVISION })],
  ['a message after one was missed', ['missed', 'stored'], () => ({ delivered: REVISION - 1 })],
];

it.each(cases)(
  'append_message does with %s what append_messages does: %j',
  async (_, kinds, change, preparation = '') => {
    const message = { ...usual, ...change() };
    const result = await resultOf(appendOne, message, preparation);
    expect(result).toEqual(await resultOf(appendMany, message, preparation));
    expect(result).toMatchObject({ rows: kinds.map((kind) => ({ kind })) });
  },
);

it.each([
  [
    'the next revision after a message',
    'stored',
    () => appendMany(client, usual),
    '0190a000-0000-7000-8000-000000000003',
  ],
  [
    'a duplicate of a message',
    'duplicate',
    () => appendMany(client, { ...usual, nonce: NONCE.replace(/1$/, '9') }),
    NONCE.replace(/1$/, '9'),
  ],
  [
    'a refusal after the removal of its sender',
    'not_a_member',
    () => client.query('delete from conversation_members where participant_id = $1', [member]),
    '0190a000-0000-7000-8000-000000000004',
  ],
])('append_message waits for the lock and returns %s that was committed meanwhile', async (_, kind, first, nonce) => {
  const other = await open();
  await client.query('begin');
  await first();
  const appending = appendOne(other, { ...usual, nonce });
  await expect.poll(() => isWaiting()).toBe(true);
  await client.query('commit');
  const rows = await appending;
  const { rows: conversations } = await client.query<{ revision: string }>('select revision from conversations');
  expect(rows.map((row) => row.kind)).toContain(kind);
  if (kind !== 'not_a_member') expect(rows.find((row) => row.kind === kind)!.revision).toBe(conversations[0]!.revision);
  await other.end();
});

async function isWaiting(): Promise<boolean> {
  const { rows } = await client.query(
    'select from pg_locks where not granted and pid in (select pid from pg_stat_activity where datname = current_database())',
  );
  return rows.length > 0;
}

/** Index rows of `messages` that were read so far. */
async function indexRowsRead(on: Client): Promise<number> {
  await on.query('select pg_stat_force_next_flush()'); // reported at the end of this statement
  const { rows } = await on.query<{ count: string }>(
    `select sum(idx_tup_read) as count from pg_stat_user_indexes where relname = 'messages'`,
  );
  return Number(rows[0]!.count);
}

it.each([
  ['append_messages', 'a message', 0, appendMany],
  ['append_messages', 'a message', 20, appendMany],
  ['append_messages', 'a reply', 20, appendMany],
  ['append_message', 'a message', 0, appendOne],
  ['append_message', 'a reply', 20, appendOne],
])('%s reads a few rows for %s by a plan that was made when the table had %i rows', async (_, kind, count, append) => {
  const own = await createDatabase();
  const on = new Client(own.connection);
  await on.connect();
  const { conversation: id, participants } = await prepare(on);
  const message = { ...usual, conversation: id, sender: participants[0]! };
  let reply: number | null = null;
  const send = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const rows = await append(on, { ...message, reply, nonce: randomUUID() });
      if (kind === 'a reply') reply = Number(rows.find((row) => row.kind === 'stored')!.id);
    }
  };
  await send(count);
  await on.query('analyze');
  await send(50);
  const before = await indexRowsRead(on);
  await send(50);
  expect((await indexRowsRead(on)) - before).toBeLessThan(50 * 5);
  await on.end();
  await own.drop();
});

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { searchSql } from '../../../src/chat/search/message-search.service.js';
import { startApp, type TestApp } from '../../support/app.js';
import {
  type ChatClient,
  connect,
  connectUsers,
  createConversation,
  type Frame,
  V2,
} from '../../support/clients/chat-client.js';

let t: TestApp;
let one: ChatClient;
let two: ChatClient;
let outsider: ChatClient;
let id: number;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'off' } });
  [one, two, outsider] = (await connectUsers(t, 3, V2)) as [ChatClient, ChatClient, ChatClient];
  id = await createConversation(one, two);
});
afterAll(() => t.stop());

async function send(content: string): Promise<number> {
  const { id: message } = await one.get('send_message', { conversation_id: id, content });
  await two.next();
  return message as number;
}

async function found(query: string, client = two, before?: number): Promise<string[]> {
  const { messages } = await client.get('search_messages', { conversation_id: id, query, before });
  return (messages as Frame[]).map(({ content }) => content as string);
}

/** Forgets the events that the changes of `one` cause. */
async function change(type: string, fields: Frame): Promise<void> {
  one.send({ type, conversation_id: id, ...fields });
  for (const client of [one, one, two]) await client.next();
}

describe('search_messages', () => {
  it('finds messages that contain all words, in any case, script and part of a word, newest first', async () => {
    for (const content of ['The lanterns are up', 'Café LANTERN menu', '祭りは明日です', '100% _sure_'])
      await send(content);
    expect(await found('lantern')).toEqual(['Café LANTERN menu', 'The lanterns are up']);
    expect(await found('cafe lantern')).toEqual(['Café LANTERN menu']);
    expect(await found('明日')).toEqual(['祭りは明日です']);
    expect(await found('%')).toEqual(['100% _sure_']);
    expect(await found('a_t')).toEqual([]);
    expect(await found("' or true --")).toEqual([]);
  });

  it('finds messages that were sent after the first search, and pages through them', async () => {
    const ids = [];
    for (let i = 0; i < 52; i++) ids.push(await send(`paged ${i}`));
    const first = await two.get('search_messages', { conversation_id: id, query: 'paged' });
    expect(first['messages']).toHaveLength(50);
    expect(first['next']).toBe(ids[2]);
    expect(await found('paged', two, first['next'] as number)).toEqual(['paged 1', 'paged 0']);
  });

  it('finds the current content of edited messages, and nothing of deleted ones', async () => {
    const message = await send('brittle glass');
    const other = await send('brittle wood');
    expect(await found('brittle')).toHaveLength(2);
    await change('edit_message', { message_id: message, content: 'solid stone' });
    await change('delete_message', { message_id: other });
    expect(await found('brittle')).toEqual([]);
    expect(await found('solid')).toEqual(['solid stone']);
    expect(await found('[deleted]')).toEqual([]);
    const texts = `select 1 from message_texts where folded like '%brittle%'`;
    expect(await t.dataSource.query(texts)).toEqual([]);
  });

  it('finds the last content when edits and searches run at the same time', async () => {
    await t.warmUp();
    const [three, four] = (await connectUsers(t, 2, V2)) as [ChatClient, ChatClient];
    const conversation_id = await createConversation(three, four);
    const answerOf = async (client: ChatClient, type: string): Promise<Frame> => {
      for (;;) {
        const frame = await client.next();
        if (frame['type'] === type) return frame;
      }
    };
    for (let round = 0; round < 10; round++) {
      three.send({ type: 'send_message', conversation_id, content: `before${round}` });
      const { data } = await answerOf(three, 'send_message');
      four.send({ type: 'search_messages', conversation_id, query: `before${round}` });
      three.send({ type: 'edit_message', conversation_id, message_id: data.id as number, content: `after${round}` });
      await Promise.all([answerOf(four, 'search_messages'), answerOf(three, 'edit_message')]);
      four.send({ type: 'search_messages', conversation_id, query: `after${round}` });
      expect(await answerOf(four, 'search_messages')).toMatchObject({
        data: { messages: [{ content: `after${round}` }] },
      });
    }
  });

  it('refuses callers who are no members, and hides messages of blocked users', async () => {
    const answer = await outsider.ask('search_messages', { conversation_id: id, query: 'lantern' });
    expect(answer).toMatchObject({ code: 'conversation_not_found' });
    await two.get('block', { username: one.username });
    expect(await found('lantern')).toEqual([]);
    await two.get('unblock', { username: one.username });
    expect(await found('lantern')).toHaveLength(2);
  });

  it.each([null, 7, '', ' ', '\u200b', 'x'.repeat(101), 'a\0b', '\ud800'])('refuses the query %j', async (query) => {
    expect(await one.ask('search_messages', { conversation_id: id, query })).toMatchObject({ code: 'invalid_frame' });
  });

  it('leaves other requests their turn while many searches wait', async () => {
    const user = await t.user();
    const searchers = await Promise.all(Array.from({ length: 15 }, () => connect(t, user, V2)));
    const conversation_id = await createConversation(searchers[0]!);
    for (const client of searchers.slice(1)) await client.next();
    await searchers[0]!.get('send_message', { conversation_id, content: 'hidden' });
    for (const client of searchers.slice(1)) await client.next();
    const runner = t.dataSource.createQueryRunner();
    await runner.startTransaction();
    const lock = 'insert into message_search_positions (conversation_id, message_id) values ($1, 0)';
    await runner.query(lock, [conversation_id]);
    const answers = searchers.map((client) => client.ask('search_messages', { conversation_id, query: 'hidden' }));
    await sleep(200); // they have arrived
    const answered = two.get('get_conversations').then(() => 'answered');
    const result = await Promise.race([answered, sleep(3_000).then(() => 'waits')]);
    await runner.rollbackTransaction();
    await runner.release();
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ success: true });
    await answered;
    expect(result).toBe('answered');
    await Promise.all(searchers.map((client) => client.close()));
  });

  it('refuses more than eight words', async () => {
    const answer = await one.ask('search_messages', { conversation_id: id, query: 'a b c d e f g h i' });
    expect(answer).toMatchObject({ code: 'invalid_value' });
  });

  it('uses an index among many messages of many conversations', async () => {
    await t.queryWithoutTimeLimit(
      `insert into conversations (name, created_at, last_sequence, revision)
       select 'n' || i, now(), 400, 400 from generate_series(1, 50) i`,
    );
    await t.queryWithoutTimeLimit(
      `insert into messages (conversation_id, sequence, revision, sender_id, nonce, content, sent_at)
       select c.id, s, s + 100, (select min(id) from participants), gen_random_uuid(), 'plain ' || md5(c.id || '-' || s), now()
       from conversations c, generate_series(1, 400) s where c.name like 'n%'`,
    );
    await t.queryWithoutTimeLimit(
      `insert into message_texts (conversation_id, message_id, folded) select conversation_id, id, content from messages
       on conflict do nothing`,
    );
    await t.queryWithoutTimeLimit('vacuum analyze message_texts, messages, conversation_members');
    const [row] = await t.dataSource.query<[{ id: string; participant_id: string }]>(
      `with added as (
         insert into conversation_members (conversation_id, participant_id, created_at)
         select max(id), (select max(id) from participants), now() from conversations where name like 'n%' returning *)
       select conversation_id as id, participant_id from added`,
    );
    const values = [row.id, row.participant_id, Number.MAX_SAFE_INTEGER, 50, 'abcdef'];
    const plan = await t.dataSource.query<{ 'QUERY PLAN': string }[]>(`explain ${searchSql(1)}`, values);
    const text = plan.map((line) => line['QUERY PLAN']).join('\n');
    expect(text).toMatch(/message_texts_search_idx/);
    expect(text).not.toMatch(/Seq Scan on (message_texts|messages)/);
  });
});

describe('over HTTP', () => {
  const tokenOf = (client: ChatClient) => t.signIn(client.username, 'cloudy harbour seven');

  it('GET …/search returns what search_messages returns', async () => {
    const path =
      `/api/chat/conversations/${id}/search?q=paged&limit=2` as '/api/chat/conversations/{conversation}/search';
    const { body } = await t.request('GET', path, { token: await tokenOf(two) });
    expect(body.items.map(({ content }) => content)).toEqual(['paged 51', 'paged 50']);
    const rest = `${path}&cursor=${body.next_cursor}` as typeof path;
    expect((await t.request('GET', rest, { token: await tokenOf(two) })).body.items[0]).toMatchObject({
      content: 'paged 49',
    });
    expect((await t.request('GET', path, { token: await tokenOf(outsider) })).status).toBe(404);
  });

  it('GET …/messages pages through the history, and GET …/export returns all of it as one JSON object', async () => {
    const messages =
      `/api/chat/conversations/${id}/messages?limit=50` as '/api/chat/conversations/{conversation}/messages';
    const token = await tokenOf(two);
    const contents: string[] = [];
    for (let path = messages; ;) {
      const { body } = await t.request('GET', path, { token });
      contents.push(...body.items.map(({ content }) => content));
      if (body.next_cursor === null) break;
      path = `${messages}&cursor=${body.next_cursor}` as typeof messages;
    }
    const path = `/api/chat/conversations/${id}/export` as '/api/chat/conversations/{conversation}/export';
    const { status, headers, body } = await t.request('GET', path, { token });
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body).toMatchObject({ id, name: 'Harbour', members: [one.username, two.username].toSorted() });
    expect(body.messages.map(({ content }) => content)).toEqual(contents);
    expect(contents.length).toBeGreaterThan(50);
    expect(JSON.stringify(body)).not.toContain('brittle');
    expect((await t.request('GET', path, { token: await tokenOf(outsider) })).status).toBe(404);
  });
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { type ChatClient, connect, connectUsers, dial, V2 } from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'on', IDENTITY_TOKEN_TTL: '1d' } }); // connections outlive the quotas of an hour
});
afterAll(() => t.stop());

const refusedBy = (quota: string) => ({ success: false, error: expect.stringMatching(`"${quota}" is used up; wait`) });

/** Makes a conversation of these two users, `count` times, without the chat. Returns the ids. */
async function insertConversations(
  one: ChatClient,
  two: ChatClient,
  count: number,
  name = 'Forced',
): Promise<number[]> {
  const rows = await t.dataSource.query<{ id: string }[]>(
    `with added as (
      insert into conversations (name, created_at) select $2, now() from generate_series(1, $1::int) returning id
    ), members as (
      insert into conversation_members (conversation_id, participant_id, created_at)
      select a.id, p.id, now() from added a, participants p join users u on u.id = p.user_id where u.username = any ($3)
    ) select id from added order by id`,
    [count, name, [one.username, two.username]],
  );
  return rows.map(({ id }) => Number(id));
}

it('create_conversation is refused after 60 conversations within an hour, and allowed again afterwards', async () => {
  t.clock.set(Date.now());
  const [attacker, victim] = await connectUsers(t, 2);
  const create = () => attacker!.send({ type: 'create_conversation', members: [victim!.username] });
  for (let i = 0; i < 80; i++) create();
  for (let i = 0; i < 60; i++) expect(await attacker!.next()).toMatchObject({ success: true });
  for (let i = 60; i < 80; i++) expect(await attacker!.next()).toMatchObject(refusedBy('conversations'));
  for (let i = 0; i < 60; i++) await victim!.next();
  expect(await victim!.get('get_conversations')).toHaveLength(60);
  t.clock.advance(3_600_001);
  create();
  expect(await attacker!.next()).toMatchObject({ success: true });
  t.clock.run();
});

it('the quota of conversations is one for all connections of a user', async () => {
  const [one, victim] = await connectUsers(t, 2);
  const user = { username: one!.username, token: await t.signIn(one!.username, 'cloudy harbour seven') };
  const two = await connect(t, user, V2);
  const clients = [one!, two];
  for (let i = 0; i < 80; i++) clients[i % 2]!.send({ type: 'create_conversation', members: [victim!.username] });
  const refused = () => clients.flatMap(({ frames }) => frames.filter(({ success }) => success === false));
  await expect.poll(() => refused().length).toBe(20);
});

it.each([
  ['an old client', {}],
  ['a client of machi.v2', V2],
])('add_contact of %s is refused after 100 within an hour', async (_, options) => {
  const [attacker] = await connectUsers(t, 1, options);
  for (let i = 0; i < 105; i++) attacker!.send({ type: 'add_contact', contact_username: `unknown-user${i}` });
  const answers = [];
  for (let i = 0; i < 105; i++) answers.push((await attacker!.next())['error']);
  expect(new Set(answers.slice(0, 100))).toEqual(new Set(['This user does not exist.']));
  expect(answers[100]).toMatch(/"contacts" is used up; wait/);
});

it('get_conversations returns the newest 1,000, and older ones with before', async () => {
  const [one, two] = await connectUsers(t, 2);
  const ids = await insertConversations(one!, two!, 1_500);
  const idsIn = (list: unknown): number[] => (list as { id: number }[]).map(({ id }) => id);
  expect(idsIn(await two!.get('get_conversations'))).toEqual(ids.slice(500));
  expect(idsIn(await two!.get('get_conversations', { before: ids[500] }))).toEqual(ids.slice(0, 500));
  expect(await two!.get('get_conversations', { before: ids[0] })).toEqual([]);
  expect(await two!.ask('get_conversations', { before: 'x' })).toMatchObject({ success: false });
});

it('GET /api/chat/conversations returns pages, newest first', async () => {
  const [one, two] = await connectUsers(t, 2);
  const ids = await insertConversations(one!, two!, 25);
  const token = await t.signIn(two!.username, 'cloudy harbour seven');
  const first = await t.request('GET', '/api/chat/conversations', { token });
  expect(first.body['items']).toHaveLength(20);
  expect(first.body['items'][0]).toMatchObject({ id: ids[24], name: 'Forced' });
  const second = await t.request('GET', `/api/chat/conversations?cursor=${first.body['next_cursor']}`, { token });
  expect([second.body['items'].length, second.body['next_cursor']]).toEqual([5, null]);
  expect((await t.request('GET', '/api/chat/conversations?cursor=x', { token })).status).toBe(400);
});

it('get_contacts returns the newest 1,000 to old clients, and all in pages to clients of machi.v2', async () => {
  const [old] = await connectUsers(t, 1);
  await t.dataSource.query(
    `with added as (
      insert into users (id, username, fullname, created_at, updated_at)
      select gen_random_uuid(), 'friend' || lpad(i::text, 5, '0'), 'Friend', now(), now() from generate_series(1, 1200) i
    ) select 1`,
  );
  await t.dataSource.query(
    `with pairs as (
      select me.id as a, other.id as b, u.username from users u join participants other on other.user_id = u.id,
        participants me join users x on x.id = me.user_id
      where u.username ~ '^friend[0-9]{5}$' and x.username = $1
    ) insert into contacts (participant_id, contact_id, created_at)
    select a, b, now() - substr(username, 7)::int * interval '1 second' from pairs
    union all select b, a, now() from pairs`,
    [old!.username],
  );
  const name = (i: number) => `friend${String(i).padStart(5, '0')}`;
  const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => name(from + i));
  expect((await old!.get('get_contacts'))['contacts']).toEqual(names(1, 1000)); // the later the number, the older
  const user = { username: old!.username, token: await t.signIn(old!.username, 'cloudy harbour seven') };
  const v2 = await connect(t, user, V2);
  expect((await v2.get('get_contacts'))['contacts']).toEqual(names(1, 1000));
  expect((await v2.get('get_contacts', { after: name(1000) }))['contacts']).toEqual(names(1001, 1200));
});

it('self and short lists are answered while the read quota is used up, and long lists are not', async () => {
  t.clock.set(Date.now());
  const [victim, other] = await connectUsers(t, 2);
  await insertConversations(victim!, other!, 1_000, '🏮'.repeat(100));
  const fetch = () => victim!.ask('get_conversations');
  let lists = 0;
  while ((await fetch())['success'] === true) lists++;
  expect(lists).toBeGreaterThan(10);
  for (let i = 0; i < 50; i++) expect(await victim!.ask('self')).toMatchObject({ success: true });
  expect(await victim!.get('get_contacts')).toMatchObject({ contacts: [] });
  expect(await victim!.ask('create_conversation', { members: [], name: 'Notes' })).toMatchObject({ success: true });
  for (let i = 0; i < 10; i++) {
    expect(await fetch()).toMatchObject({ success: false, error: 'Too much was fetched; wait a moment.' });
  }
  t.clock.run();
});

it('a user who opens connections faster than one per second after 60 is closed with 4429', async () => {
  t.clock.set(Date.now());
  const user = await t.user();
  for (let i = 0; i < 60; i++) await (await connect(t, user)).close();
  expect(await dial(t, user).end()).toEqual([4429, 'rate limited']);
  t.clock.advance(2_000);
  await (await connect(t, user)).close();
  t.clock.run();
});

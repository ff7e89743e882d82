import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const tokenOf = (client: ChatClient) => t.signIn(client.username, 'cloudy harbour seven');

async function call(method: 'PUT' | 'DELETE', client: ChatClient, username: string): Promise<number> {
  const token = await tokenOf(client);
  return (await t.request(method, `/api/chat/blocks/${username}`, { token })).status;
}

const block = async (client: ChatClient, other: ChatClient) =>
  expect(await call('PUT', client, other.username)).toBe(204);
const unblock = async (client: ChatClient, other: ChatClient) =>
  expect(await call('DELETE', client, other.username)).toBe(204);
const historyOf = async (client: ChatClient, conversation_id: number) =>
  ((await client.get('get_messages', { conversation_id }))['messages'] as Frame[]).map(
    ({ content }) => content as string,
  );

describe.each([
  ['an old client', {}],
  ['a client of machi.v2', V2],
])('a blocked user with %s', (_, options) => {
  it('gets the answers of a user that does not exist', async () => {
    const [victim] = await connectUsers(t, 1);
    const [blocked] = await connectUsers(t, 1, options);
    const unknown = (frame: Frame, name: string) =>
      JSON.parse(JSON.stringify(frame).replaceAll('unknown-user', name)) as Frame;
    const requests = (name: string): [string, Frame][] => [
      ['add_contact', { contact_username: name }],
      ['create_conversation', { members: [name] }],
      ['create_conversation', { members: [name.toUpperCase()] }],
    ];
    const expected = [];
    for (const [type, fields] of requests('unknown-user')) expected.push(await blocked!.ask(type, fields));
    await block(victim!, blocked!);
    const answers = [];
    for (const [type, fields] of requests(victim!.username)) answers.push(await blocked!.ask(type, fields));
    const spelled = expected.map((frame) =>
      unknown(
        JSON.parse(JSON.stringify(frame).replaceAll('UNKNOWN-USER', victim!.username.toUpperCase())) as Frame,
        victim!.username,
      ),
    );
    expect(answers).toEqual(spelled);
    await victim!.expectNoFrame();
    expect(await victim!.get('get_contacts')).toMatchObject({ contacts: [] });
    expect(await victim!.get('get_conversations')).toEqual([]);
  });

  it('cannot send to a conversation of the two, and gets the answer of a conversation that does not exist', async () => {
    const [victim] = await connectUsers(t, 1);
    const [blocked] = await connectUsers(t, 1, options);
    const id = await createConversation(victim!, blocked!);
    await blocked!.get('send_message', { conversation_id: id, content: 'before' });
    await victim!.next();
    await block(victim!, blocked!);
    const answer = await blocked!.ask('send_message', { conversation_id: id, content: 'x' });
    expect(answer).toEqual(await blocked!.ask('send_message', { conversation_id: 999_999, content: 'x' }));
    expect(answer['success']).toBe(false);
    await victim!.expectNoFrame();
    expect(await historyOf(blocked!, id)).toEqual(['before']);
    expect(await historyOf(victim!, id)).toEqual(['[blocked]']);
    expect(await victim!.get('send_message', { conversation_id: id, content: 'goodbye' })).toBeDefined();
    expect(await blocked!.next()).toMatchObject({ data: { content: 'goodbye' } });
    await unblock(victim!, blocked!);
    await blocked!.get('send_message', { conversation_id: id, content: 'after' });
    expect(await victim!.next()).toMatchObject({ data: { content: 'after' } });
    expect(await historyOf(victim!, id)).toEqual(['after', 'goodbye', 'before']);
  });

  it('reaches the other members of a larger conversation, and not the one who has blocked them', async () => {
    const [victim, third] = await connectUsers(t, 2);
    const [blocked] = await connectUsers(t, 1, options);
    const id = await createConversation(third!, victim!, blocked!);
    await block(victim!, blocked!);
    for (const content of ['one', 'two']) {
      await blocked!.get('send_message', { conversation_id: id, content });
      expect(await third!.next()).toMatchObject({ data: { content } });
    }
    await third!.get('send_message', { conversation_id: id, content: 'three' });
    await blocked!.next();
    expect(await victim!.next()).toMatchObject({ data: { content: 'three' } });
    expect(await historyOf(victim!, id)).toEqual(['three', '[blocked]', '[blocked]']);
    expect(await historyOf(third!, id)).toEqual(['three', 'two', 'one']);
    await t.request('DELETE', `/api/chat/conversations/${id}`, { token: await tokenOf(third!) });
    expect(await blocked!.askPastPushes('send_message', { conversation_id: id, content: 'x' })).toMatchObject({
      success: false,
    });
    await unblock(victim!, blocked!);
    await blocked!.get('send_message', { conversation_id: id, content: 'four' });
    expect(await victim!.next()).toMatchObject({ data: { content: 'four' } });
  });

  it('sees no presence: the contact and the requests are gone, and come not back with the block', async () => {
    const victimUser = await t.user();
    const victim = await connect(t, victimUser);
    const [blocked] = await connectUsers(t, 1, options);
    await victim.get('add_contact', { contact_username: blocked!.username });
    await block(victim, blocked!);
    expect(await blocked!.get('get_contacts')).toMatchObject({ contacts: [] });
    await victim.close();
    const again = await connect(t, victimUser);
    await unblock(again, blocked!);
    expect(await blocked!.get('get_contacts')).toMatchObject({ contacts: [] });
    await again.close();
    await blocked!.expectNoFrame();
  });

  it('stays hidden in conversations that a third user makes of the two', async () => {
    const [victim, third] = await connectUsers(t, 2);
    const [blocked] = await connectUsers(t, 1, options);
    await block(victim!, blocked!);
    const id = await createConversation(third!, victim!, blocked!);
    await blocked!.get('send_message', { conversation_id: id, content: 'x' });
    await third!.next();
    await victim!.expectNoFrame();
    await t.request('DELETE', `/api/chat/conversations/${id}`, { token: await tokenOf(third!) });
    expect(await blocked!.askPastPushes('send_message', { conversation_id: id, content: 'x' })).toMatchObject({
      success: false,
    });
  });
});

it('a blocked user cannot rename a conversation of the two, and can rename a larger one', async () => {
  const [victim, blocked, third] = await connectUsers(t, 3, V2);
  const rename = (conversation_id: number, name: string) => blocked!.askPastPushes('rename', { conversation_id, name });
  const pair = await createConversation(blocked!, victim!);
  const group = await createConversation(blocked!, victim!, third!);
  await block(victim!, blocked!);
  const answer = await rename(pair, 'You cannot ignore me');
  expect(answer).toMatchObject({ success: false, code: 'conversation_not_found' });
  await victim!.expectNoFrame();
  expect(await victim!.get('get_conversation_info', { id: pair })).toMatchObject({ name: 'Harbour' });
  expect(await rename(group, 'Boats')).toMatchObject({ success: true });
  expect(await victim!.next()).toMatchObject({ data: { kind: 'renamed', name: 'Boats' } });
  await unblock(victim!, blocked!);
  expect(await rename(pair, 'Quay')).toMatchObject({ success: true });
});

it('a message acknowledged before the block is acknowledged again when it is sent again', async () => {
  const [victim, blocked] = await connectUsers(t, 2);
  const conversation_id = await createConversation(victim!, blocked!);
  const message = { conversation_id, content: 'hello', nonce: 'n1' };
  const first = await blocked!.get('send_message', message);
  await victim!.next();
  await block(victim!, blocked!);
  expect(await blocked!.get('send_message', message)).toEqual(first);
  await victim!.expectNoFrame();
});

it('the blocking user cannot add the blocked one before unblocking', async () => {
  const [victim] = await connectUsers(t, 1, V2);
  const [blocked] = await connectUsers(t, 1);
  await block(victim!, blocked!);
  const error = 'You have blocked this user; unblock the user first.';
  const { username } = blocked!;
  expect(await victim!.ask('add_contact', { contact_username: username })).toMatchObject({ success: false, error });
  expect(await victim!.ask('create_conversation', { members: [username] })).toMatchObject({ success: false, error });
  expect(await victim!.get('unblock', { username })).toEqual({ username });
  expect(await victim!.ask('add_contact', { contact_username: username })).toMatchObject({ success: true });
});

it('block removes pending contact requests in both directions', async () => {
  const [one, two] = await connectUsers(t, 2, V2);
  await one!.get('add_contact', { contact_username: two!.username });
  await two!.next();
  expect(await two!.get('block', { username: one!.username })).toEqual({ username: one!.username });
  expect(await one!.get('get_contact_requests')).toEqual([]);
  expect(await two!.ask('accept_contact', { contact_username: one!.username })).toMatchObject({ success: false });
  await one!.expectNoFrame();
});

it('PUT and DELETE /api/chat/blocks/{username} refuse the caller and unknown users; PUT can be repeated', async () => {
  const [one, two] = await connectUsers(t, 2);
  expect(await call('PUT', one!, one!.username)).toBe(422);
  expect(await call('DELETE', one!, two!.username)).toBe(404);
  for (const name of ['unknown-user', 'a', 'x'.repeat(200)]) {
    expect([await call('PUT', one!, name), await call('DELETE', one!, name)]).toEqual([404, 404]);
  }
  expect([await call('PUT', one!, two!.username), await call('PUT', one!, two!.username)]).toEqual([204, 204]);
});

it('GET /api/chat/blocks returns pages in alphabetical order, of the caller alone', async () => {
  const [one, ...others] = await connectUsers(t, 4);
  for (const other of others) await block(one!, other);
  const token = await tokenOf(one!);
  const first = await t.request('GET', '/api/chat/blocks?limit=2', { token });
  const second = await t.request('GET', `/api/chat/blocks?limit=2&cursor=${first.body['next_cursor']}`, { token });
  const names = [...first.body['items'], ...second.body['items']].map(({ username }) => username);
  expect(names).toEqual(others.map(({ username }) => username).toSorted());
  expect(second.body['next_cursor']).toBeNull();
  const foreign = await t.request('GET', '/api/chat/blocks', { token: await tokenOf(others[0]!) });
  expect(foreign.body['items']).toEqual([]);
});

it('a user can block at most 1,000 users', async () => {
  const [one, two] = await connectUsers(t, 2);
  await t.dataSource.query(
    `with added as (
      insert into users (id, username, fullname, created_at, updated_at)
      select gen_random_uuid(), 'spammer' || i, 'Spammer', now(), now() from generate_series(1, 1000) i
    ) select 1`,
  );
  await t.dataSource.query(
    `insert into blocks (participant_id, blocked_id, created_at)
     select me.id, p.id, now() from participants p join users u on u.id = p.user_id,
       participants me join users x on x.id = me.user_id where u.username ~ '^spammer[0-9]+$' and x.username = $1`,
    [one!.username],
  );
  expect(await call('PUT', one!, two!.username)).toBe(409);
  expect(await call('DELETE', one!, 'spammer1')).toBe(204);
  expect(await call('PUT', one!, two!.username)).toBe(204);
});

it('deleting a user deletes blocks and contact requests of and about the user', async () => {
  const [one, two] = await connectUsers(t, 2, V2);
  const gone = await t.user();
  const client = await connect(t, gone, V2);
  await client.get('block', { username: one!.username });
  await two!.get('block', { username: gone.username });
  await client.get('add_contact', { contact_username: (await t.user()).username });
  await t.request('DELETE', `/api/users/${gone.id}`, { token: await t.asAdmin() });
  await client.end();
  const rows = await t.dataSource.query<unknown[]>(
    `select 1 from participants p where p.user_id is null and (
      exists (select from blocks b where p.id in (b.participant_id, b.blocked_id)) or
      exists (select from contact_requests r where p.id in (r.first_id, r.second_id)))`,
  );
  expect(rows).toEqual([]);
});

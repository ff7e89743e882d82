import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestApp } from '../support/app.js';
import { type ChatClient, connect } from '../support/clients/chat-client.js';
import { startNodes, stopNodes } from '../support/servers/nodes.js';

/** NOTIFY carries less than 8,000 bytes. */
let nodes: [TestApp, TestApp];
beforeAll(async () => {
  nodes = await startNodes();
  await nodes[0].dataSource.query(`select setval(pg_get_serial_sequence('participants', 'id'), 10000000)`); // long ids
});
afterAll(() => stopNodes(nodes));

const usernames = (kind: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${kind}.with.a.long.name.${i}`);

const addUsers = (names: string[]): Promise<unknown> =>
  nodes[0].dataSource.query(
    `insert into users (id, username, fullname, created_at, updated_at)
       select gen_random_uuid(), name, name, now(), now() from unnest($1::text[]) as name`,
    [names],
  );

async function connectBoth(): Promise<[here: ChatClient, there: ChatClient]> {
  return [await connect(nodes[0], await nodes[0].user()), await connect(nodes[1], await nodes[0].user())];
}

it.each([200, 600, 999])('members on another node learn of a new conversation of %i others', async (count) => {
  const names = usernames(`member${count}`, count);
  await addUsers(names);
  const [here, there] = await connectBoth();
  const { id } = await here.get('create_conversation', { members: [there.username, ...names], name: 'Harbour' });
  await here.get('send_message', { conversation_id: id, content: 'welcome' });
  const created = await there.next();
  expect(created).toMatchObject({ type: 'create_conversation', data: { id, name: 'Harbour' } });
  expect(created['data'].members).toHaveLength(count + 2);
  expect(await there.next()).toMatchObject({ type: 'send_message', data: { content: 'welcome' } });
  await there.expectNoFrame();
});

it('contacts on another node learn that a user with 2,000 contacts is offline', async () => {
  await addUsers(usernames('contact', 2000));
  const [here, there] = await connectBoth();
  await here.get('add_contact', { contact_username: there.username });
  await nodes[0].dataSource.query(
    `with pairs as (
       select p.id as one, o.id as other from participants p join users u on u.id = p.user_id,
         participants o join users v on v.id = o.user_id
       where u.username = $1 and v.username like 'contact.%')
     insert into contacts (participant_id, contact_id, created_at)
       select one, other, now() from pairs union all select other, one, now() from pairs`,
    [here.username],
  );
  await here.close();
  expect(await there.next()).toMatchObject({
    type: 'user_status',
    data: { username: here.username, is_online: false },
  });
});

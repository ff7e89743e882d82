import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nonceOf } from '../../../src/chat/messages/nonce.js';
import { ConnectionsService } from '../../../src/chat/connections/connections.service.js';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import {
  type ChatClient,
  connect,
  createConversation,
  dial,
  connectUsers,
  type Frame,
  V2,
} from '../../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

/** Other test files use other databases of the same server. */
const IN_THIS_DATABASE = 'pid in (select pid from pg_stat_activity where datname = current_database())';

/** Opens a connection, and revokes all sessions of this user after the check of its session but before it is admitted. */
async function revokeDuringAdmission(user: SignedInUser, open: () => ChatClient): Promise<ChatClient> {
  const holder = new Client(t.connection);
  await holder.connect();
  await holder.query('begin; lock table participants in access exclusive mode'); // blocks the second query of authentication
  const client = open();
  await once(client.socket, 'open');
  const asked = `select 1 from pg_locks where ${IN_THIS_DATABASE} and not granted and relation = 'participants'::regclass`;
  await expect.poll(() => t.dataSource.query<unknown[]>(asked)).toHaveLength(1);
  await t.dataSource.query('delete from sessions where user_id = $1', [user.id]);
  await sleep(200); // the revocation has been received by then
  await holder.query('commit');
  await holder.end();
  return client;
}

it('a revocation between the session check and the end of authentication refuses the connection with 4401', async () => {
  const user = await t.user();
  const client = await revokeDuringAdmission(user, () => dial(t, user));
  client.send({ type: 'ping' });
  expect(await client.end()).toEqual([4401, 'invalid login-token']);
  expect(client.frames).toEqual([]);
});

it('a client of machi.v2 whose session is revoked during authentication may authenticate with another token', async () => {
  const [gone, user] = [await t.user(), await t.user()];
  const headers = { cookie: `login-token=${gone.token}` };
  const client = await revokeDuringAdmission(gone, () => dial(t, {}, { ...V2, headers }));
  expect(await client.ask('auth', { identity_token: user.token })).toMatchObject({ type: 'hello' });
  await client.close();
});

it('concurrent appends to one conversation wait for each other and leave no gap in the sequence', async () => {
  const [one] = await connectUsers(t, 1);
  const id = await createConversation(one!);
  const other = new Client(t.connection);
  await other.connect();
  await other.query('begin');
  await other.query(
    `select append_messages(array[$1::bigint], array[p.id], array[null::bigint], array[gen_random_uuid()], array['theirs'], 1, '{}', '{}')
      from participants p join users u on u.id = p.user_id where u.username = $2`,
    [id, one!.username],
  );
  one!.send({ type: 'send_message', conversation_id: id, content: 'ours' });
  const waits = `select 1 from pg_locks where ${IN_THIS_DATABASE} and not granted`;
  await expect.poll(() => t.dataSource.query<unknown[]>(waits)).toHaveLength(1);
  await other.query('commit');
  await other.end();
  expect(await one!.next()).toMatchObject({ success: true, data: { content: 'ours' } });
  const rows = await t.dataSource.query<unknown[]>(
    'select sequence, content from messages where conversation_id = $1 order by id',
    [id],
  );
  expect(rows).toEqual([
    { sequence: '1', content: 'theirs' },
    { sequence: '2', content: 'ours' },
  ]);
});

it.each(['get_messages', 'get_conversations', 'ping'])(
  '%s sent right after a message is answered after it',
  async (type) => {
    const [one] = await connectUsers(t, 1);
    const conversation_id = await createConversation(one!);
    for (let i = 0; i < 20; i++) {
      one!.send({ type: 'send_message', conversation_id, content: `m${i}` });
      one!.send({ type, conversation_id });
      expect(await one!.next()).toMatchObject({ type: 'send_message', data: { content: `m${i}` } });
      const answer = await one!.next();
      expect(answer).toMatchObject({ type, success: true });
      if (type === 'get_messages') expect(answer['data'].messages).toHaveLength(i + 1);
    }
  },
);

it('a slow receiver gets no user_status and all other frames', async () => {
  t.clock.set(Date.now());
  const [one, slow] = await connectUsers(t, 2);
  const friend = await t.user();
  for (const client of [one!, slow!]) await client.get('add_contact', { contact_username: friend.username });
  const conversation_id = await createConversation(one!, slow!);
  slow!.socket.pause();
  let sent = 0;
  const content = '🏮'.repeat(15_000);
  const connections = t.app.get(ConnectionsService);
  for (; connections.queuedBytes < 256 * 1024; sent++) await one!.get('send_message', { conversation_id, content });
  await connect(t, friend);
  expect(await one!.next()).toMatchObject({ type: 'user_status' });
  slow!.socket.resume();
  await expect.poll(() => slow!.frames.filter(({ type }) => type === 'send_message').length).toBe(sent);
  expect(await slow!.ask('ping')).toBeDefined();
  await expect.poll(() => slow!.frames.at(-1)!['type']).toBe('ping');
  expect(slow!.frames.filter(({ type }) => type === 'user_status')).toEqual([]);
  t.clock.run();
});

it('a user with two connections stays online and gets messages after one of them closes', async () => {
  const [one] = await connectUsers(t, 1);
  const other = await t.user();
  const [phone, tablet] = [await connect(t, other), await connect(t, other)];
  const conversation_id = await createConversation(one!, phone);
  await tablet.next();
  await phone.close();
  await one!.get('send_message', { conversation_id, content: 'still there?' });
  expect(await tablet.next()).toMatchObject({ data: { content: 'still there?' } });
  const { contact } = await one!.get('add_contact', { contact_username: other.username });
  expect(contact.is_online).toBe(true);
});

it('contacts are notified of an arrival even if recording a departure in the same batch fails', async () => {
  const [friend, leaving] = await connectUsers(t, 2);
  const arriving = await t.user();
  for (const { username } of [leaving!, arriving]) await friend!.get('add_contact', { contact_username: username });
  const holder = new Client(t.connection);
  await holder.connect();
  await holder.query(`create sequence tries;
    create function refuse_first() returns trigger language plpgsql as $$ begin
      if nextval('tries') = 1 then raise 'not now'; end if;
      return new;
    end $$;
    create trigger refuse_first before update on participants for each row execute function refuse_first()`);
  await holder.query('begin; lock table presences in share mode'); // both changes wait for a third one and form one batch
  await connect(t, await t.user());
  const asked = `select 1 from pg_locks where ${IN_THIS_DATABASE} and not granted and relation = 'presences'::regclass`;
  await expect.poll(() => t.dataSource.query<unknown[]>(asked)).toHaveLength(1);
  await leaving!.close();
  await connect(t, arriving);
  await holder.query('commit');
  await holder.end();
  const statuses = () => friend!.frames.filter(({ type }) => type === 'user_status').map(({ data }) => data as unknown);
  await expect.poll(statuses).toContainEqual({ username: leaving!.username, is_online: false });
  expect(statuses()).toContainEqual({ username: arriving.username, is_online: true });
  await t.dataSource.query(
    'drop trigger refuse_first on participants; drop function refuse_first; drop sequence tries',
  );
});

it('a message sent again that another node has stored at the same time is delivered before newer ones', async () => {
  const node = await startApp({ env: { BUS: 'postgres' } });
  const [writer, reader] = await connectUsers(node, 2);
  const id = await createConversation(writer!, reader!);
  const send = (content: string, nonce: string): void =>
    writer!.send({ type: 'send_message', conversation_id: id, content, nonce });
  node.clock.advance(60_000); // later times than all that this node has used
  send('first', 'first');
  const { data: message } = (await reader!.next()) as Frame & { data: { id: number } };
  const [first] = (await node.dataSource.query(
    'select sender_id as sender, (extract(epoch from sent_at) * 1000000)::bigint as stamp from messages where id = $1',
    [message.id],
  )) as [{ sender: string; stamp: string }];
  const nonce = nonceOf(Number(first.sender), 'again');
  await node.dataSource.query(
    "select append_messages(array[$1::bigint], array[$2::bigint], array[null::bigint], array[$3::uuid], array['again'], $4, '{}', '{}')",
    [id, first.sender, nonce, Number(first.stamp) + 1],
  ); // as another node does, whose clock shows the time at which this node stores its next batch
  send('newer', 'newer');
  send('again', 'again');
  const contents = [await reader!.next(), await reader!.next()].map(
    ({ data }) => (data as { content: string }).content,
  );
  expect(contents).toEqual(['again', 'newer']);
  await node.stop();
});

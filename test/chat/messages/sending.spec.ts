import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import {
  type ChatClient,
  connect,
  createConversation,
  dial,
  type Frame,
  connectUsers,
} from '../../support/clients/chat-client.js';
import { noticed, startProxy } from '../../support/servers/tcp-proxy.js';

let t: TestApp;
let proxy: Awaited<ReturnType<typeof startProxy>>;
beforeAll(async () => {
  t = await startApp({
    env: { RATE_LIMITS: 'off' },
    route: async (connection) => (proxy = await startProxy(connection)).connection,
    pool: { statementTimeout: 2_000 },
  });
});
afterAll(async () => {
  await t.stop();
  proxy.stop();
});

const message = (conversation_id: number, content: string, fields: Frame = {}) => ({
  type: 'send_message',
  conversation_id,
  content,
  ...fields,
});

/** The stored messages of a conversation in the order of their sequences. */
const stored = (id: number) =>
  t.dataSource.query<{ id: string; sequence: string; revision: string; content: string; nonce: string }[]>(
    'select id, sequence, revision, content, nonce from messages where conversation_id = $1 order by sequence',
    [id],
  );

/** The frame as the other receivers get it. */
function withoutRequestId(frame: Frame): Frame {
  const rest = { ...frame };
  delete rest['request_id'];
  return rest;
}

async function take(client: ChatClient, count: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  while (frames.length < count) frames.push(await client.next());
  return frames;
}

describe('a nonce', () => {
  it('stores a repeated message once and answers with the original, to the sender only', async () => {
    const [one, two] = await connectUsers(t, 2);
    const id = await createConversation(one!, two!);
    const first = await one!.ask('send_message', message(id, 'once', { nonce: 'n1' }));
    expect(await two!.next()).toEqual(first);
    expect(await one!.ask('send_message', message(id, 'once', { nonce: 'n1' }))).toEqual(first);
    await two!.expectNoFrame();
    expect(await stored(id)).toHaveLength(1);
  });

  it('is refused with another content, conversation or reply', async () => {
    const [one] = await connectUsers(t, 1);
    const [here, there] = [await createConversation(one!), await createConversation(one!)];
    const { id } = await one!.get('send_message', message(here, 'once', { nonce: 'n1' }));
    for (const other of [message(here, 'twice'), message(there, 'once'), message(here, 'once', { reply_id: id })]) {
      const answer = await one!.ask('send_message', { ...other, nonce: 'n1' });
      expect(answer).toEqual({ success: false, type: 'send_message', error: expect.stringContaining('nonce') });
    }
    expect((await stored(here)).length + (await stored(there)).length).toBe(1);
  });

  it('of one user does not affect the messages of another', async () => {
    const [one, two] = await connectUsers(t, 2);
    const id = await createConversation(one!, two!);
    const ids = [];
    for (const client of [one!, two!]) {
      client.send(message(id, 'mine', { nonce: 'same' }));
      ids.push((await one!.next())['data'].id);
      await two!.next();
    }
    expect(new Set(ids).size).toBe(2);
  });

  it('stores one message of thirty concurrent attempts on two devices', async () => {
    const user = await t.user();
    const [phone, tablet] = [await connect(t, user), await connect(t, user)];
    const id = await createConversation(phone);
    await tablet.next();
    for (let i = 0; i < 15; i++) for (const client of [phone, tablet]) client.send(message(id, 'x', { nonce: 'n' }));
    const frames = [...(await take(phone, 15)), ...(await take(tablet, 15))];
    expect(new Set(frames.map((frame) => JSON.stringify(frame))).size).toBe(1);
    await sleep(50);
    expect(phone.frames.length + tablet.frames.length - 4).toBe(31); // the broadcast reached the other device, too
    expect(await stored(id)).toHaveLength(1);
  });
});

describe('a request_id', () => {
  it('is returned to the requesting connection only, in successes and errors', async () => {
    const user = await t.user();
    const [phone, tablet] = [await connect(t, user), await connect(t, user)];
    const id = await createConversation(phone);
    await tablet.next();
    expect(await phone.ask('ping', { request_id: 'p1' })).toEqual({
      success: true,
      type: 'ping',
      data: 'pong',
      request_id: 'p1',
    });
    const sent = await phone.ask('send_message', message(id, 'x', { request_id: 'm "1"' }));
    expect(sent['request_id']).toBe('m "1"');
    expect(await tablet.next()).toEqual(withoutRequestId(sent));
    expect(await phone.ask('get_messages', { request_id: 'g1' })).toMatchObject({ success: false, request_id: 'g1' });
    expect(await phone.ask('send_message', message(999_999, 'x', { request_id: 'e1' }))).toMatchObject({
      success: false,
      request_id: 'e1',
    });
    expect(await phone.ask('nothing', { request_id: 'u1' })).toMatchObject({ type: 'root', request_id: 'u1' });
    const made = await phone.ask('create_conversation', { members: [], request_id: 'c1' });
    expect([made['request_id'], (await tablet.next())['request_id']]).toEqual(['c1', undefined]);
  });

  it('is returned with the right message of a batch', async () => {
    const [one, two] = await connectUsers(t, 2);
    const id = await createConversation(one!, two!);
    for (let i = 0; i < 50; i++) {
      one!.send(message(id, `one ${i}`, { request_id: `r${i}` }));
      two!.send(message(id, `two ${i}`));
    }
    const [seenByOne, seenByTwo] = [await take(one!, 100), await take(two!, 100)];
    expect(seenByTwo.some((frame) => 'request_id' in frame)).toBe(false);
    expect(seenByOne.map(withoutRequestId)).toEqual(seenByTwo);
    const own = seenByOne.filter(({ request_id }) => request_id !== undefined);
    expect(own.map(({ request_id }) => request_id)).toEqual(Array.from({ length: 50 }, (_, i) => `r${i}`));
    expect(own.every(({ data }, i) => data.content === `one ${i}`)).toBe(true);
  });
});

describe('order', () => {
  it('answers follow the order of the requests, whatever their outcome', async () => {
    const [one] = await connectUsers(t, 1);
    const [here, there] = [await createConversation(one!), await createConversation(one!)];
    const expected: string[] = [];
    const ask = (frame: Frame, answer: string): void => {
      one!.send({ ...frame, request_id: `r${expected.length}` });
      expected.push(answer);
    };
    for (let i = 0; i < 20; i++) {
      ask(message(here, `a${i}`), 'send_message');
      ask(message(there, `b${i}`), 'send_message');
      ask(message(999_999, 'nowhere'), 'send_message');
      ask(message(here, ''), 'send_message');
      ask(message(here, 'same', { nonce: 'n' }), 'send_message');
      ask({ type: 'nonsense' }, 'root');
      ask({ type: 'ping' }, 'ping');
      ask({ type: 'get_messages', conversation_id: there }, 'get_messages');
    }
    const answers = await take(one!, expected.length);
    expect(answers.map(({ type }) => type)).toEqual(expected);
    expect(answers.map(({ request_id }) => request_id)).toEqual(expected.map((_, i) => `r${i}`));
    const pages = answers.filter(({ type }) => type === 'get_messages');
    expect(pages.map(({ data }) => data.messages[0].content)).toEqual(Array.from({ length: 20 }, (_, i) => `b${i}`));
  });

  it('all members see the same order; sequences have no gaps and ids rise with them', async () => {
    const clients = await connectUsers(t, 8);
    const id = await createConversation(...clients);
    for (let i = 0; i < 40; i++) for (const client of clients) client.send(message(id, `${client.username} ${i}`));
    const [first, ...others] = await Promise.all(clients.map((client) => take(client, 320)));
    for (const seen of others) expect(seen).toEqual(first);
    const rows = await stored(id);
    expect(rows.map((row) => Number(row.sequence))).toEqual(Array.from({ length: 320 }, (_, i) => i + 1));
    expect(rows.map((row) => Number(row.id))).toEqual(first!.map(({ data }) => data.id as number));
    expect(rows.map((row) => Number(row.id))).toEqual(rows.map((row) => Number(row.id)).toSorted((a, b) => a - b));
    for (const { username } of clients) {
      const own = rows.filter(({ content }) => content.startsWith(`${username} `)).map(({ content }) => content);
      expect(own).toEqual(Array.from({ length: 40 }, (_, i) => `${username} ${i}`));
    }
  });

  it('more connections than are written to in one turn of the event loop all get the messages, in order', async () => {
    const [sender] = await connectUsers(t, 1);
    const user = await t.user();
    const first = await connect(t, user);
    const id = await createConversation(sender!, first);
    const others = await Promise.all(Array.from({ length: 420 }, () => connect(t, user)));
    const contents = ['1', '2', '3'];
    for (const content of contents) sender!.send(message(id, content));
    for (const client of [sender!, first, ...others]) {
      const frames = await take(client, contents.length);
      expect(frames.map(({ data }) => (data as Frame)['content'])).toEqual(contents);
    }
    await Promise.all([first, ...others].map((client) => client.close()));
  });

  it('a member who is added or removed in the database gets messages accordingly from the next one', async () => {
    const [one, two, three] = await connectUsers(t, 3);
    const id = await createConversation(one!, two!);
    await one!.get('send_message', message(id, 'before'));
    await two!.next();
    const member = (
      await t.dataSource.query<{ id: string }[]>(
        'select p.id from participants p join users u on u.id = p.user_id where u.username = $1',
        [three!.username],
      )
    )[0]!.id;
    await t.dataSource.query('insert into conversation_members values ($1, $2, now())', [id, member]);
    await one!.get('send_message', message(id, 'joined'));
    expect((await three!.next())['data'].content).toBe('joined');
    await t.dataSource.query('delete from conversation_members where conversation_id = $1 and participant_id = $2', [
      id,
      member,
    ]);
    await one!.get('send_message', message(id, 'left'));
    await three!.expectNoFrame();
    const [row] = await t.dataSource.query<Frame[]>(
      'select last_sequence, revision, members_version from conversations where id = $1',
      [id],
    );
    expect(row).toEqual({ last_sequence: '3', revision: '6', members_version: '5' });
  });
});

it('a message that the database refuses fails alone', async () => {
  await t.dataSource.query(`create function refuse_poison() returns trigger language plpgsql as
    $$ begin if new.content = 'poison' then raise exception 'poison' using errcode = '23514'; end if; return new; end $$`);
  await t.dataSource.query(
    'create trigger poison before insert on messages for each row execute function refuse_poison()',
  );
  const clients = await connectUsers(t, 4);
  const ids = await Promise.all(clients.map((client) => createConversation(client)));
  for (let i = 0; i < 30; i++) {
    for (const [j, client] of clients.entries())
      client.send(message(ids[j]!, j === 2 && i === 15 ? 'poison' : `m${i}`));
  }
  for (const [j, client] of clients.entries()) {
    const frames = await take(client, 30);
    const refused = frames.flatMap(({ success }, i) => (success ? [] : [i]));
    expect(refused).toEqual(j === 2 ? [15] : []);
    expect((await stored(ids[j]!)).map(({ sequence }) => Number(sequence))).toEqual(
      Array.from({ length: j === 2 ? 29 : 30 }, (_, i) => i + 1),
    );
  }
  await t.dataSource.query('drop trigger poison on messages');
});

describe('a database outage', () => {
  afterEach(async () => {
    proxy.restore();
    await noticed(t.dataSource);
  });

  it.each(['cut', 'freeze'] as const)(
    '(%s) under load loses no acknowledged message and stores none twice',
    async (fault) => {
      const clients = await connectUsers(t, 6);
      const id = await createConversation(...clients);
      const total = 6 * 60;
      const load = Promise.all(
        clients.map(async (client) => {
          for (let i = 0; i < 60; i++) {
            client.send(message(id, `${client.username} ${i}`));
            await sleep(10);
          }
        }),
      );
      for (let i = 0; i < (fault === 'cut' ? 6 : 1); i++) {
        await sleep(60);
        proxy[fault]();
        await sleep(40);
        proxy.restore();
      }
      await load;
      const [first, ...others] = await Promise.all(clients.map((client) => take(client, total)));
      for (const seen of others) expect(seen).toEqual(first);
      expect(first!.every(({ success }) => success)).toBe(true);
      const rows = await stored(id);
      expect(rows.map((row) => Number(row.sequence))).toEqual(Array.from({ length: total }, (_, i) => i + 1));
      expect(rows.map((row) => Number(row.id))).toEqual(first!.map(({ data }) => data.id as number));
      expect(new Set(rows.map(({ content }) => content)).size).toBe(total);
    },
  );

  it('of more than 30 seconds is answered with an error, and the message can be sent again with its nonce', async () => {
    t.clock.set(Date.now());
    const [one] = await connectUsers(t, 1);
    const id = await createConversation(one!);
    proxy.cut();
    one!.send(message(id, 'late', { nonce: 'n' }));
    await sleep(300);
    t.clock.advance(31_000);
    expect(await one!.next()).toMatchObject({
      success: false,
      type: 'send_message',
      error: expect.stringContaining('database'),
    });
    expect(await one!.ask('get_conversations')).toMatchObject({
      success: false,
      error: expect.stringContaining('database'),
    });
    proxy.restore();
    await expect.poll(() => one!.ask('get_conversations')).toMatchObject({ success: true });
    expect(await one!.get('send_message', message(id, 'late', { nonce: 'n' }))).toMatchObject({ content: 'late' });
    expect(await stored(id)).toHaveLength(1);
    t.clock.set(Date.now());
  });

  it('of more than 30 seconds is answered with an error also when the clock was set back during it', async () => {
    t.clock.set(Date.now());
    const [one] = await connectUsers(t, 1);
    const id = await createConversation(one!);
    proxy.cut();
    one!.send(message(id, 'late'));
    await sleep(300);
    t.clock.advance(-3_600_000);
    const answer = one!.next();
    expect(await Promise.race([answer, sleep(500, 'none yet')])).toBe('none yet');
    t.clock.advance(31_000);
    expect(await answer).toMatchObject({ success: false, error: expect.stringContaining('database') });
    t.clock.set(Date.now());
  });

  it('closes a connection that is being authenticated with 1013', async () => {
    const user = await t.user();
    proxy.cut();
    const client = dial(t, user);
    expect(await client.end()).toEqual([1013, 'try again later']);
  });
});

describe('concurrent operations', () => {
  it('the database refuses a contact in one direction only', async () => {
    const insert = 'insert into contacts values (1, 2, now())';
    await expect(t.dataSource.query(insert)).rejects.toThrow('contacts_symmetric_fkey');
  });

  it('deleting a user who sends messages causes no deadlock and leaves no gap in the sequence', async () => {
    await t.warmUp();
    for (let round = 0; round < 10; round++) {
      const [one] = await connectUsers(t, 1);
      const user = await t.user();
      const client = await connect(t, user);
      const id = await createConversation(one!, client);
      for (let i = 0; i < 20; i++) client.send(message(id, `m${i}`));
      const { status } = await t.request('DELETE', `/api/users/${user.id}`, { token: await t.asAdmin() });
      expect(status).toBe(204);
      expect((await client.end())[0]).toBe(4401);
      const rows = await stored(id);
      expect(rows.map((row) => Number(row.sequence))).toEqual(rows.map((_, i) => i + 1));
      await one!.close();
    }
  });
});

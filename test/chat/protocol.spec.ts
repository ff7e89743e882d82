import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLOSE_CODES } from '../../src/chat/protocol/close-codes.js';
import { GATEWAYS } from '../../src/chat/chat.module.js';
import { eventsOf } from '../../src/chat/protocol/chat-event.decorator.js';
import { packageRoot } from '../../src/common/version.js';
import { startApp, type TestApp } from '../support/app.js';
import { assertDocumented, asyncapi, exampleOf } from '../support/api/asyncapi.js';
import {
  type ChatClient,
  connect,
  createConversation,
  dial,
  type Frame,
  connectUsers,
  V2,
} from '../support/clients/chat-client.js';

const PUSHES = [
  'hello',
  'expiring',
  'user_status',
  'contact_request',
  'contact_accepted',
  'conversation_event',
  'message_read',
  'user_typing',
  'upload_progress',
].map((type) => `${type}.success`);
const TYPES = GATEWAYS.flatMap(eventsOf).map(({ type }) => type);

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { SWAGGER: 'on' } });
});
afterAll(() => t.stop());

const recently = expect.toSatisfy((time: number) => Number.isInteger(time) && Math.abs(time - Date.now() / 1000) < 60);
const failure = (type: string) => ({ success: false, type, error: expect.stringMatching(/^.{5,}$/) });

describe('opening a connection', () => {
  it('answers a frame that is sent right after the upgrade', async () => {
    const client = dial(t, await t.user());
    client.socket.once('open', () => client.send({ type: 'self' }));
    expect(await client.next()).toMatchObject({ success: true, type: 'self' });
  });

  it('accepts the login-token cookie', async () => {
    const { token } = await t.user();
    const client = await connect(t, {}, { headers: { cookie: `other=1; login-token=${token}` } });
    await client.expectNoFrame();
  });

  it.each([
    ['no token', {}, 'login-token required'],
    ['an invalid cookie', { cookie: 'login-token=abc' }, 'invalid login-token'],
    ['an invalid Authorization header', { authorization: 'Bearer a.b.c' }, 'invalid login-token'],
  ])('with %s closes it at once, without sending a frame', async (_, headers, reason) => {
    const client = dial(t, {}, { headers });
    client.socket.once('open', () => client.send({ type: 'ping' }));
    expect(await client.end()).toEqual([4401, reason]);
    expect(client.frames).toEqual([]);
  });

  it('with the token of a revoked session closes it at once', async () => {
    const { token } = await t.user();
    await t.request('DELETE', '/api/sessions/current', { token });
    expect(await dial(t, { token }).end()).toEqual([4401, 'invalid login-token']);
  });

  it('is closed with the reason of the document when the token has expired', async () => {
    const { token } = await t.user();
    t.clock.advance(24 * 3600_000);
    const headers = { cookie: `login-token=${token}` };
    expect(await dial(t, {}, { headers }).end()).toEqual([4401, 'invalid login-token']);
    expect(await dial(t, { token }, V2).end()).toEqual([4401, 'login-token expired']);
    t.clock.set(Date.now());
  });
});

describe('users and contacts', () => {
  it('self returns the caller', async () => {
    const [me] = await connectUsers(t, 1);
    const number = me!.username.slice('user'.length);
    expect(await me!.get('self')).toEqual({
      username: me!.username,
      fullname: `User ${number}`,
      is_online: true,
      last_online: recently,
      created_at: recently,
    });
  });

  it('add_contact makes both users contacts of each other', async () => {
    const [one, two] = await connectUsers(t, 2);
    expect(await one!.get('get_contacts')).toEqual({ message: expect.any(String), contacts: [] });
    const added = await one!.get('add_contact', { contact_username: two!.username.toUpperCase() });
    const self: object = await two!.get('self');
    expect(added).toEqual({ message: expect.any(String), contact: { ...self, last_online: recently } });
    expect(await one!.get('get_contacts')).toMatchObject({ contacts: [two!.username] });
    expect(await two!.get('get_contacts')).toMatchObject({ contacts: [one!.username] });
  });

  it('add_contact returns the time of registration as last_online of a user who has never connected', async () => {
    const [one] = await connectUsers(t, 1);
    const { username } = await t.user();
    const { contact } = await one!.get('add_contact', { contact_username: username });
    expect(contact).toMatchObject({ is_online: false, last_online: recently, created_at: contact.last_online });
  });

  it('add_contact refuses the caller, unknown and deactivated users, and existing contacts', async () => {
    const [one, two] = await connectUsers(t, 2);
    await one!.get('add_contact', { contact_username: two!.username });
    const off = await t.user();
    await t.request('PATCH', `/api/users/${off.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    for (const contact_username of [one!.username, 'unknown-user', off.username, two!.username, 'x'.repeat(100)]) {
      expect(await one!.ask('add_contact', { contact_username })).toEqual(failure('add_contact'));
    }
    expect(await two!.ask('add_contact', { contact_username: one!.username })).toEqual(failure('add_contact'));
    expect(await one!.get('get_contacts')).toMatchObject({ contacts: [two!.username] });
  });
});

describe('conversations', () => {
  it('create_conversation sends the conversation to every connection of every member and to no other', async () => {
    const [one, two, stranger] = await connectUsers(t, 3);
    const tablet = await connect(t, { token: await t.signIn(one!.username, 'cloudy harbour seven') });
    const members = [two!.username, two!.username, one!.username];
    one!.send({ type: 'create_conversation', members, name: 'Harbour festival' });
    const frames = await Promise.all([one!.next(), two!.next(), tablet.next()]);
    const all = [one!.username, two!.username].toSorted();
    expect(frames[0]).toEqual({
      success: true,
      type: 'create_conversation',
      data: { id: expect.any(Number), name: 'Harbour festival', members: all },
    });
    expect(frames[1]).toEqual(frames[0]);
    expect(frames[2]).toEqual(frames[0]);
    await stranger!.expectNoFrame();
    const { id } = frames[0]['data'];
    expect(await two!.get('get_conversations')).toEqual([{ id, name: 'Harbour festival' }]);
    expect(await two!.get('get_conversation_info', { id })).toEqual({ id, name: 'Harbour festival', members: all });
    expect(await stranger!.get('get_conversations')).toEqual([]);
  });

  it('create_conversation without a name uses the usernames, cut to 100 characters', async () => {
    const [one, two] = await connectUsers(t, 2);
    const made = await one!.get('create_conversation', { members: [two!.username] });
    expect(made['name']).toBe([one!.username, two!.username].toSorted().join(', '));
    const many = await Promise.all(Array.from({ length: 20 }, () => t.user()));
    const long = await one!.get('create_conversation', { members: many.map(({ username }) => username), name: null });
    expect(long['members']).toHaveLength(21);
    expect(long['name']).toHaveLength(100);
  });

  it('create_conversation without members creates a conversation of the caller alone', async () => {
    const [one] = await connectUsers(t, 1);
    expect(await one!.get('create_conversation', { members: [], name: 'Notes' })).toMatchObject({
      members: [one!.username],
    });
  });

  it('create_conversation refuses unknown usernames and creates nothing', async () => {
    const [one] = await connectUsers(t, 1);
    const members = ['unknown-user'];
    expect(await one!.ask('create_conversation', { members })).toEqual(failure('create_conversation'));
    expect(await one!.get('get_conversations')).toEqual([]);
  });

  it('events about a conversation answer non-members as if it did not exist', async () => {
    const [one, two, stranger] = await connectUsers(t, 3);
    const id = await createConversation(one!, two!);
    const expectSameError = async (type: string, fields: (id: number) => object) => {
      const foreign = await stranger!.ask(type, fields(id));
      expect(foreign).toEqual(failure(type));
      expect(await stranger!.ask(type, fields(999_999))).toEqual(foreign);
    };
    await expectSameError('get_conversation_info', (which) => ({ id: which }));
    await expectSameError('get_messages', (which) => ({ conversation_id: which }));
    await expectSameError('send_message', (which) => ({ conversation_id: which, content: 'hello' }));
    expect(await one!.get('get_messages', { conversation_id: id })).toEqual({ conversation_id: id, messages: [] });
  });
});

describe('messages', () => {
  const send = (client: ChatClient, conversation_id: number, content: string, fields: object = {}) =>
    client.get('send_message', { conversation_id, content, ...fields });

  it('send_message reaches every connection of every member, with the documented keys only', async () => {
    const [one, two, stranger] = await connectUsers(t, 3);
    const tablet = await connect(t, { token: await t.signIn(one!.username, 'cloudy harbour seven') });
    const id = await createConversation(one!, two!);
    await tablet.next();
    one!.send({ type: 'send_message', conversation_id: id, content: 'The lanterns are up. 🏮' });
    const frame = await one!.next();
    const data = {
      id: expect.any(Number),
      sender_username: one!.username,
      conversation_id: id,
      reply_id: null,
      content: 'The lanterns are up. 🏮',
      sent_at: recently,
    };
    expect(frame).toEqual({ success: true, type: 'send_message', data });
    expect(Object.keys(frame['data'])).toEqual(Object.keys(data));
    expect(await two!.next()).toEqual(frame);
    expect(await tablet.next()).toEqual(frame);
    await stranger!.expectNoFrame();
  });

  it('send_message accepts a reply_id of the same conversation only', async () => {
    const [one] = await connectUsers(t, 1);
    const [here, there] = [await createConversation(one!), await createConversation(one!)];
    const first = await send(one!, here, 'first');
    expect(await send(one!, here, 'second', { reply_id: first['id'] })).toMatchObject({ reply_id: first['id'] });
    for (const [conversation_id, reply_id] of [
      [there, first['id']],
      [here, 999_999],
    ]) {
      const answer = await one!.ask('send_message', { conversation_id, content: 'no', reply_id });
      expect(answer).toEqual(failure('send_message'));
    }
    expect(await one!.get('get_messages', { conversation_id: there })).toMatchObject({ messages: [] });
  });

  it('get_messages returns the newest 100 messages first, and older ones with before', async () => {
    const [one] = await connectUsers(t, 1);
    const id = await createConversation(one!);
    for (let i = 1; i <= 105; i++) one!.send({ type: 'send_message', conversation_id: id, content: `message ${i}` });
    for (let i = 1; i <= 105; i++) expect((await one!.next())['data'].content).toBe(`message ${i}`);
    const newest = await one!.get('get_messages', { conversation_id: id });
    const contents = (page: Record<string, { content: string }[]>) => page['messages']!.map(({ content }) => content);
    expect(contents(newest)).toEqual(Array.from({ length: 100 }, (_, i) => `message ${105 - i}`));
    expect(Object.keys(newest['messages'][0])).toEqual(['id', 'sender_username', 'reply_id', 'content', 'sent_at']);
    const rest = await one!.get('get_messages', { conversation_id: id, before: newest['messages'][99].id });
    expect(contents(rest)).toEqual(['message 5', 'message 4', 'message 3', 'message 2', 'message 1']);
    expect(await one!.get('get_messages', { conversation_id: id, before: 1 })).toMatchObject({ messages: [] });
  });

  it.each([
    ['white space around and inside', ' \t\r\n a \u00a0\u200b\n'],
    ['decomposed characters and ligatures', 'e\u0301 \u00e9 \ufb01'],
    ['emoji of several code points', '👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
    ['control characters', 'a\u0001\u001f\u007f\u0085\u2028\u2029\ufeff'],
    ['text that looks like an escape sequence', '\\u0000 \\n "quoted" {"$1": null} \\'],
    ['16,000 characters', 'x'.repeat(16_000)],
    ['16,000 characters of four bytes', '🏮'.repeat(16_000)],
  ])('send_message stores the content unchanged: %s', async (_, content) => {
    const [one] = await connectUsers(t, 1);
    const id = await createConversation(one!);
    expect((await send(one!, id, content))['content']).toBe(content);
    expect((await one!.get('get_messages', { conversation_id: id }))['messages'][0].content).toBe(content);
  });
});

describe('the validation of fields', () => {
  let one: ChatClient;
  let id: number;
  beforeAll(async () => {
    [one] = (await connectUsers(t, 1)) as [ChatClient];
    id = await createConversation(one);
  });

  it.each([
    ['add_contact', {}, 'contact_username required'],
    ['add_contact', { contact_username: null }],
    ['add_contact', { contact_username: '' }],
    ['add_contact', { contact_username: ['a'] }],
    ['add_contact', { contact_username: 'a\0b' }],
    ['create_conversation', {}, 'members required'],
    ['create_conversation', { members: 'user1' }],
    ['create_conversation', { members: [1] }],
    ['create_conversation', { members: [''] }],
    ['create_conversation', { members: [['a']] }],
    ['create_conversation', { members: { length: 0 } }],
    ['create_conversation', { members: [], name: '' }],
    ['create_conversation', { members: [], name: 5 }],
    ['create_conversation', { members: [], name: 'x'.repeat(101) }],
    ['create_conversation', { members: [], name: 'a\ud800' }],
    ['get_conversation_info', {}, 'id required'],
    ['get_conversation_info', { id: '1' }],
    ['get_conversation_info', { id: true }],
    ['get_conversation_info', { id: 1.5 }],
    ['get_conversation_info', { id: 0 }],
    ['get_conversation_info', { id: -1 }],
    ['get_conversation_info', { id: 2 ** 53 }],
    ['get_conversation_info', { id: [1] }],
    ['send_message', { content: 'x' }, 'conversation_id required'],
    ['send_message', { conversation_id: 'MINE', content: 'x' }],
    ['send_message', { conversation_id: 1e300, content: 'x' }],
    ['send_message', { conversation_id: 'mine' }],
    ['send_message', { conversation_id: 0, content: '' }],
    ['send_message', { conversation_id: 0, content: 7 }],
    ['send_message', { conversation_id: 0, content: null }],
    ['send_message', { conversation_id: 0, content: 'x'.repeat(16_001) }],
    ['send_message', { conversation_id: 0, content: 'a\0b' }],
    ['send_message', { conversation_id: 0, content: 'a\udc00b' }],
    ['send_message', { conversation_id: 0, content: 'x', reply_id: '1' }],
    ['send_message', { conversation_id: 0, content: 'x', nonce: 5 }],
    ['send_message', { conversation_id: 0, content: 'x', nonce: 'x'.repeat(65) }],
    ['get_messages', { conversation_id: 0, before: '1' }],
    ['get_messages', { conversation_id: 0, before: 1.5 }],
    ['ping', { request_id: { a: 1 } }],
  ])(
    'answers an invalid %s with an error and keeps the connection open, case %#',
    async (type, fields, sentence?: string) => {
      const own = (fields as { conversation_id?: unknown }).conversation_id === 0 ? { conversation_id: id } : {};
      const answer = await one.ask(type, { ...fields, ...own });
      expect(answer).toEqual(sentence === undefined ? failure(type) : { success: false, type, error: sentence });
      await one.expectNoFrame();
    },
  );

  it('ignores unknown fields', async () => {
    expect(await one.ask('ping', { id: 7, client: 'old' })).toEqual({ success: true, type: 'ping', data: 'pong' });
    const sent = await one.get('send_message', { conversation_id: id, content: 'x', reply_id: null, token: 'y' });
    expect(sent).toMatchObject({ reply_id: null });
  });
});

it('errors carry a code for clients of machi.v2 and for no other client', async () => {
  const user = await t.user();
  const [old, current] = [await connect(t, user), await connect(t, user, V2)];
  for (const [type, fields, code] of [
    ['nonsense', {}, 'invalid_frame'],
    ['get_messages', { conversation_id: 'x' }, 'invalid_frame'],
    ['get_messages', { conversation_id: 999_999 }, 'conversation_not_found'],
    ['send_message', { conversation_id: 999_999, content: 'x' }, 'conversation_not_found'],
    ['add_contact', { contact_username: user.username }, 'contact_is_self'],
  ] as const) {
    const answer = await old.ask(type, fields);
    expect(Object.keys(answer)).toEqual(['success', 'type', 'error']);
    expect(await current.ask(type, fields)).toEqual({ ...answer, code });
  }
  await Promise.all([old.close(), current.close()]);
});

it('docs/chat.md lists every close code with its reason and advice', () => {
  const text = readFileSync(join(packageRoot(), 'docs/chat.md'), 'utf8').toLowerCase();
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  for (const { code, reason, advice } of Object.values(CLOSE_CODES)) {
    const row = rows.find((line) => line.startsWith(`| ${code} `) && line.includes(`\`${reason}\``));
    expect(row).toContain(advice.toLowerCase().replace(/\.$/, ''));
  }
});

describe('asyncapi.json', () => {
  it('lists every close code as data: code, reason, what a client does, after which pause', () => {
    const listed = asyncapi['x-close-codes'];
    const own = listed.filter(({ name }) => name !== undefined).map(({ name, code, reason }) => [name, code, reason]);
    expect(own).toEqual(Object.entries(CLOSE_CODES).map(([name, { code, reason }]) => [name, code, reason]));
    expect(listed.filter(({ name }) => name === undefined).map(({ code }) => code)).toEqual([
      1001, 1002, 1006, 1007, 1008, 1009,
    ]);
    expect(
      listed.filter(({ action, pause_seconds }) => (action === 'reconnect') !== (pause_seconds !== undefined)),
    ).toEqual([]);
    const expired = listed.find(({ reason }) => reason === 'login-token expired');
    expect(expired).toMatchObject({ code: 4401, action: 'refresh' });
    expect(listed.find(({ code }) => code === 1006)?.pause_seconds).toEqual({ min: 0, max: 1, longest: 60 });
  });

  it('names the subprotocol of the requests and frames that only its clients have', () => {
    const ofV2 = Object.entries(asyncapi.operations).filter(
      ([, operation]) => operation['x-subprotocol'] === 'machi.v2',
    );
    const names = ofV2.map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(['auth', 'block', 'hello', 'expiring', 'contact_request']));
    for (const name of ['ping', 'send_message', 'user_status']) expect(names).not.toContain(name);
  });

  it('is a valid AsyncAPI 3 document', () => {
    const path = createRequire(import.meta.url).resolve('@asyncapi/specs/schemas/3.0.0.json');
    const schema = JSON.parse(readFileSync(path, 'utf8')) as { definitions: Record<string, object> };
    delete schema.definitions['http://json-schema.org/draft-07/schema']; // ajv contains it
    const ajv = new Ajv({ strict: false, allErrors: true });
    formats.default(ajv);
    expect([ajv.validate(schema, asyncapi), ajv.errors]).toEqual([true, null]);
  });

  it('describes the request, success and error of every event', () => {
    const names = TYPES.flatMap((type) => [`${type}.request`, `${type}.success`, `${type}.error`]);
    expect(Object.keys(asyncapi.components.messages).toSorted()).toEqual(
      [...names, ...PUSHES, 'root.error'].toSorted(),
    );
  });

  it('is served at /docs/chat-json beside Swagger UI, under a content security policy', async () => {
    const { body, headers } = await t.request('GET', '/docs/chat-json');
    expect([body['asyncapi'], headers.get('content-security-policy')]).toEqual(['3.0.0', expect.any(String)]);
  });

  it('gives examples that match its schemas', () => {
    const frames = Object.values(asyncapi.components.messages).map(({ payload }) => exampleOf(payload) as Frame);
    expect(frames).toHaveLength(TYPES.length * 3 + PUSHES.length + 1);
    for (const frame of frames) assertDocumented(frame, 'success' in frame ? undefined : 'request');
  });
});

import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asyncApiPage } from '../../src/chat/asyncapi.page.js';
import { CLOSE_CODES } from '../../src/chat/protocol/close-codes.js';
import { GATEWAYS } from '../../src/chat/chat.module.js';
import { eventsOf } from '../../src/chat/protocol/chat-event.decorator.js';
import { packageRoot } from '../../src/common/version.js';
import { startApp, type TestApp } from '../support/app.js';
import { assertDocumented, asyncapi } from '../support/asyncapi.js';
import { type ChatClient, connect, conversation, dial, type Frame, people } from '../support/chat-client.js';

const TYPES = GATEWAYS.flatMap(eventsOf).map(({ type }) => type);

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { SWAGGER: 'on' } });
});
afterAll(() => t.stop());

const recently = expect.toSatisfy((time: number) => Number.isInteger(time) && Math.abs(time - Date.now() / 1000) < 60);
const failure = (type: string) => ({ success: false, type, error: expect.stringMatching(/^.{5,}$/) });

describe('connecting', () => {
  it('answers a frame sent right behind the upgrade', async () => {
    const client = dial(t, await t.user());
    client.socket.once('open', () => client.send({ type: 'self' }));
    expect(await client.next()).toMatchObject({ success: true, type: 'self' });
  });

  it('takes the cookie, too', async () => {
    const { token } = await t.user();
    const client = await connect(t, {}, { headers: { cookie: `other=1; login-token=${token}` } });
    await client.isQuiet();
  });

  it.each([
    ['no token', {}, 'login-token required'],
    ['a broken one', { cookie: 'login-token=abc' }, 'invalid login-token'],
    ['a broken header', { authorization: 'Bearer a.b.c' }, 'invalid login-token'],
  ])('with %s is closed at once, before any frame', async (_, headers, reason) => {
    const client = dial(t, {}, { headers });
    client.socket.once('open', () => client.send({ type: 'ping' }));
    expect(await client.end()).toEqual([4401, reason]);
    expect(client.frames).toEqual([]);
  });

  it('with the token of an ended session is closed at once', async () => {
    const { token } = await t.user();
    await t.request('DELETE', '/api/sessions/current', { token });
    expect(await dial(t, { token }).end()).toEqual([4401, 'invalid login-token']);
  });
});

describe('people', () => {
  it('self', async () => {
    const [me] = await people(t, 1);
    const number = me!.username.slice('user'.length);
    expect(await me!.get('self')).toEqual({
      username: me!.username,
      fullname: `User ${number}`,
      is_online: true,
      last_online: recently,
      created_at: recently,
    });
  });

  it('contacts are symmetric', async () => {
    const [one, two] = await people(t, 2);
    expect(await one!.get('get_contacts')).toEqual({ message: expect.any(String), contacts: [] });
    const added = await one!.get('add_contact', { contact_username: two!.username.toUpperCase() });
    expect(added).toEqual({ message: expect.any(String), contact: await two!.get('self') });
    expect(await one!.get('get_contacts')).toMatchObject({ contacts: [two!.username] });
    expect(await two!.get('get_contacts')).toMatchObject({ contacts: [one!.username] });
  });

  it('a contact who has never been online was last so when they registered', async () => {
    const [one] = await people(t, 1);
    const { username } = await t.user();
    const { contact } = await one!.get('add_contact', { contact_username: username });
    expect(contact).toMatchObject({ is_online: false, last_online: recently, created_at: contact.last_online });
  });

  it('oneself, nobody and a contact cannot be added', async () => {
    const [one, two] = await people(t, 2);
    await one!.get('add_contact', { contact_username: two!.username });
    const off = await t.user();
    await t.request('PATCH', `/api/users/${off.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    for (const contact_username of [one!.username, 'nobody-at-all', off.username, two!.username, 'x'.repeat(100)]) {
      expect(await one!.ask('add_contact', { contact_username })).toEqual(failure('add_contact'));
    }
    expect(await two!.ask('add_contact', { contact_username: one!.username })).toEqual(failure('add_contact'));
    expect(await one!.get('get_contacts')).toMatchObject({ contacts: [two!.username] });
  });
});

describe('conversations', () => {
  it('begin with a frame to every connection of every member, whoever else is there', async () => {
    const [one, two, stranger] = await people(t, 3);
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
    await stranger!.isQuiet();
    const { id } = frames[0]['data'];
    expect(await two!.get('get_conversations')).toEqual([{ id, name: 'Harbour festival' }]);
    expect(await two!.get('get_conversation_info', { id })).toEqual({ id, name: 'Harbour festival', members: all });
    expect(await stranger!.get('get_conversations')).toEqual([]);
  });

  it('are named after their members when they are given no name', async () => {
    const [one, two] = await people(t, 2);
    const made = await one!.get('create_conversation', { members: [two!.username] });
    expect(made['name']).toBe([one!.username, two!.username].toSorted().join(', '));
    const many = await Promise.all(Array.from({ length: 20 }, () => t.user()));
    const long = await one!.get('create_conversation', { members: many.map(({ username }) => username), name: null });
    expect(long['members']).toHaveLength(21);
    expect(long['name']).toHaveLength(100);
  });

  it('with nobody else are with oneself', async () => {
    const [one] = await people(t, 1);
    expect(await one!.get('create_conversation', { members: [], name: 'Notes' })).toMatchObject({ members: [one!.username] }); // prettier-ignore
  });

  it('need members who exist', async () => {
    const [one] = await people(t, 1);
    const members = ['nobody-at-all'];
    expect(await one!.ask('create_conversation', { members })).toEqual(failure('create_conversation'));
    expect(await one!.get('get_conversations')).toEqual([]);
  });

  it('of others look like none', async () => {
    const [one, two, stranger] = await people(t, 3);
    const id = await conversation(one!, two!);
    const answers = async (type: string, fields: (id: number) => object) => {
      const foreign = await stranger!.ask(type, fields(id));
      expect(foreign).toEqual(failure(type));
      expect(await stranger!.ask(type, fields(999_999))).toEqual(foreign);
    };
    await answers('get_conversation_info', (which) => ({ id: which }));
    await answers('get_messages', (which) => ({ conversation_id: which }));
    await answers('send_message', (which) => ({ conversation_id: which, content: 'hello' }));
    expect(await one!.get('get_messages', { conversation_id: id })).toEqual({ conversation_id: id, messages: [] });
  });
});

describe('messages', () => {
  const say = (client: ChatClient, conversation_id: number, content: string, fields: object = {}) =>
    client.get('send_message', { conversation_id, content, ...fields });

  it('reach every connection of every member, with no other key', async () => {
    const [one, two, stranger] = await people(t, 3);
    const tablet = await connect(t, { token: await t.signIn(one!.username, 'cloudy harbour seven') });
    const id = await conversation(one!, two!);
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
    await stranger!.isQuiet();
  });

  it('may reply to one of the same conversation only', async () => {
    const [one] = await people(t, 1);
    const [here, there] = [await conversation(one!), await conversation(one!)];
    const first = await say(one!, here, 'first');
    expect(await say(one!, here, 'second', { reply_id: first['id'] })).toMatchObject({ reply_id: first['id'] });
    for (const [conversation_id, reply_id] of [
      [there, first['id']],
      [here, 999_999],
    ]) {
      const answer = await one!.ask('send_message', { conversation_id, content: 'no', reply_id });
      expect(answer).toEqual(failure('send_message'));
    }
    expect(await one!.get('get_messages', { conversation_id: there })).toMatchObject({ messages: [] });
  });

  it('come newest first, a hundred at most, before one', async () => {
    const [one] = await people(t, 1);
    const id = await conversation(one!);
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
    ['nothing composed', 'e\u0301 \u00e9 \ufb01'],
    ['emoji in many parts', '👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
    ['control characters', '\u0001\u001f\u007f\u0085\u2028\u2029\ufeff'],
    ['what looks like an escape', '\\u0000 \\n "quoted" {"$1": null} \\'],
    ['16,000 characters', 'x'.repeat(16_000)],
    ['16,000 characters of four bytes', '🏮'.repeat(16_000)],
  ])('are kept byte for byte: %s', async (_, content) => {
    const [one] = await people(t, 1);
    const id = await conversation(one!);
    expect((await say(one!, id, content))['content']).toBe(content);
    expect((await one!.get('get_messages', { conversation_id: id }))['messages'][0].content).toBe(content);
  });
});

describe('fields are strict', () => {
  let one: ChatClient;
  let id: number;
  beforeAll(async () => {
    [one] = (await people(t, 1)) as [ChatClient];
    id = await conversation(one);
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
  ])('%s, case %#', async (type, fields, sentence?: string) => {
    const own = (fields as { conversation_id?: unknown }).conversation_id === 0 ? { conversation_id: id } : {};
    const answer = await one.ask(type, { ...fields, ...own });
    expect(answer).toEqual(sentence === undefined ? failure(type) : { success: false, type, error: sentence });
    await one.isQuiet();
  });

  it('what else a client sends is its own affair', async () => {
    expect(await one.ask('ping', { id: 7, client: 'old' })).toEqual({ success: true, type: 'ping', data: 'pong' });
    const sent = await one.get('send_message', { conversation_id: id, content: 'x', reply_id: null, token: 'y' });
    expect(sent).toMatchObject({ reply_id: null });
  });
});

it('docs/chat.md shows every way in which the server ends a connection', () => {
  const text = readFileSync(join(packageRoot(), 'docs/chat.md'), 'utf8').toLowerCase();
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  for (const [code, reason, advice] of Object.values(CLOSE_CODES)) {
    const row = rows.find((line) => line.startsWith(`| ${code} `) && line.includes(`\`${reason}\``));
    expect(row).toContain(advice.toLowerCase().replace(/\.$/, ''));
  }
});

describe('asyncapi.json', () => {
  it('is AsyncAPI 3', () => {
    const path = createRequire(import.meta.url).resolve('@asyncapi/specs/schemas/3.0.0.json');
    const schema = JSON.parse(readFileSync(path, 'utf8')) as { definitions: Record<string, object> };
    delete schema.definitions['http://json-schema.org/draft-07/schema']; // ajv has it already
    const ajv = new Ajv({ strict: false, allErrors: true });
    formats.default(ajv);
    expect([ajv.validate(schema, asyncapi), ajv.errors]).toEqual([true, null]);
  });

  it('knows every event', () => {
    const names = TYPES.flatMap((type) => [`${type}.request`, `${type}.success`, `${type}.error`]);
    expect(Object.keys(asyncapi.components.messages).toSorted()).toEqual([...names, 'user_status.success', 'root.error'].toSorted()); // prettier-ignore
  });

  it('is served beside Swagger, with a page for people', async () => {
    const { body, headers } = await t.request('GET', '/docs/chat-json');
    expect([body['asyncapi'], headers.get('content-security-policy')]).toEqual(['3.0.0', expect.any(String)]);
    const page = await t.request('GET', '/docs/chat');
    expect(page.headers.get('content-type')).toContain('text/html');
    for (const type of TYPES) expect(page.text).toContain(`<h2 id="${type}">`);
  });

  it('is a page with an example of every frame', () => {
    const page = asyncApiPage(asyncapi);
    const examples = [...page.matchAll(/<pre>(.*?)<\/pre>/g)].map(([, text]) => text!.replaceAll('&quot;', '"'));
    expect(examples.length).toBe(TYPES.length * 3 + 1);
    for (const frame of examples.map((text) => JSON.parse(text) as Frame)) {
      assertDocumented(frame, 'success' in frame ? undefined : 'request');
    }
  });
});

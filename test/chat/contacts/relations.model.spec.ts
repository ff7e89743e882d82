import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { type ChatClient, connect, type Frame, V2 } from '../../support/clients/chat-client.js';
import { randomOf } from '../../support/clients/chat-tester.js';
import { rounds } from '../../support/setup/rounds.js';

/** Random requests of five users about contacts, blocks, conversations and messages, checked against a model. */
const STEPS = rounds(600, 8_000);
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const random = randomOf(SEED);
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

interface Member {
  client: ChatClient;
  isV2: boolean;
  name: string;
}

interface Message {
  sender: Member;
  content: string;
}

interface Room {
  id: number;
  members: Set<Member>;
  messages: Message[];
}

/** What the server should know: pairs are "name>name". */
class Model {
  readonly contacts = new Set<string>();
  readonly requests = new Set<string>();
  readonly blocks = new Set<string>();
  readonly rooms: Room[] = [];

  static pair = (a: Member, b: Member): string => `${a.name}>${b.name}`;

  has(kind: 'contacts' | 'requests' | 'blocks', a: Member, b: Member): boolean {
    return this[kind].has(Model.pair(a, b));
  }

  connect(a: Member, b: Member): void {
    this.separate(a, b);
    for (const pair of [Model.pair(a, b), Model.pair(b, a)]) this.contacts.add(pair);
  }

  /** Returns whether there was a contact or a request. */
  separate(a: Member, b: Member): boolean {
    const pairs = [Model.pair(a, b), Model.pair(b, a)];
    return pairs.map((pair) => [this.contacts.delete(pair), this.requests.delete(pair)].some(Boolean)).some(Boolean);
  }

  isRefused({ members }: Room, sender: Member): boolean {
    if (!members.has(sender)) return true;
    return members.size === 2 && [...members].some((member) => this.has('blocks', member, sender));
  }
}

const model = new Model();
let users: Member[];

/** Sends a request of `actor`; returns whether it succeeded. Reads exactly the frames that each user must get. */
async function request(
  actor: Member,
  type: string,
  fields: Frame,
  isAllowed: boolean,
  pushed: [Member, string][] = [],
): Promise<Frame> {
  const answer = await actor.client.ask(type, fields);
  expect([type, fields, answer['success']]).toEqual([type, fields, isAllowed]);
  if (isAllowed) {
    for (const [receiver, kind] of pushed) {
      const frame = await receiver.client.next();
      expect([receiver.name, frame['type']]).toEqual([receiver.name, kind]);
      if (kind === type) expect(frame['data']).toEqual(answer['data']);
    }
  }
  return answer;
}

const onlyV2 = (list: [Member, string][]): [Member, string][] => list.filter(([{ isV2 }]) => isV2);

async function overHttp(actor: Member, method: string, path: string): Promise<number> {
  return (await t.request(method, path, { token: tokens.get(actor.name)! })).status;
}
const tokens = new Map<string, string>();

/** Both ways of a request, by chance: as a frame (machi.v2 only) or over HTTP. */
async function either(
  actor: Member,
  frame: [string, Frame],
  http: [string, string],
  isAllowed: boolean,
): Promise<void> {
  if (actor.isV2 && random() < 0.5) await request(actor, ...frame, isAllowed);
  else expect([...http, (await overHttp(actor, ...http)) < 300]).toEqual([...http, isAllowed]);
}

const STEPS_BY_NAME: Record<string, (a: Member, b: Member) => Promise<unknown>> = {
  async add_contact(a, b) {
    const isOpen = a !== b && !model.has('blocks', a, b) && !model.has('blocks', b, a) && !model.has('contacts', a, b);
    const isAnswer = model.has('requests', b, a);
    const isAllowed = isOpen && !(a.isV2 && model.has('requests', a, b));
    const push: [Member, string][] = [[b, isAnswer ? 'contact_accepted' : 'contact_request']];
    await request(a, 'add_contact', { contact_username: b.name }, isAllowed, a.isV2 ? onlyV2(push) : []);
    if (!isAllowed) return;
    if (!a.isV2 || isAnswer) model.connect(a, b);
    else model.requests.add(Model.pair(a, b));
  },
  async accept_contact(a, b) {
    if (!a.isV2) return;
    const isAllowed = a !== b && model.has('requests', b, a);
    await request(a, 'accept_contact', { contact_username: b.name }, isAllowed, onlyV2([[b, 'contact_accepted']]));
    if (isAllowed) model.connect(a, b);
  },
  async remove_contact(a, b) {
    const isAllowed = model.separate(a, b);
    const frame: [string, Frame] = ['remove_contact', { contact_username: b.name }];
    await either(a, frame, ['DELETE', `/api/chat/contacts/${b.name}`], isAllowed);
  },
  async block(a, b) {
    await either(a, ['block', { username: b.name }], ['PUT', `/api/chat/blocks/${b.name}`], a !== b);
    if (a === b) return;
    model.separate(a, b);
    model.blocks.add(Model.pair(a, b));
  },
  async unblock(a, b) {
    const isAllowed = model.blocks.delete(Model.pair(a, b));
    await either(a, ['unblock', { username: b.name }], ['DELETE', `/api/chat/blocks/${b.name}`], isAllowed);
  },
  async create_conversation(a, b) {
    if (model.rooms.length > 30) return;
    const others = [b, ...(random() < 0.6 ? [pick(users)] : [])].filter((member) => member !== a);
    const isAllowed = others.every((member) => !model.has('blocks', a, member) && !model.has('blocks', member, a));
    const members = new Set([a, ...others]);
    const push = [...members].filter((m) => m !== a).map((m): [Member, string] => [m, 'create_conversation']);
    const fields = { members: others.map(({ name }) => name) };
    const { data } = await request(a, 'create_conversation', fields, isAllowed, push);
    if (isAllowed) model.rooms.push({ id: data.id as number, members, messages: [] });
  },
  async leave(a) {
    const room = pick(model.rooms);
    if (!room || random() < 0.7) return;
    const isAllowed = room.members.delete(a);
    const frame: [string, Frame] = ['leave', { conversation_id: room.id }];
    await either(a, frame, ['DELETE', `/api/chat/conversations/${room.id}`], isAllowed);
  },
  send_message: (a) => sendMessage(a),
  send_another_message: (a) => sendMessage(a),
  async get_messages(a) {
    const room = pick(model.rooms);
    if (!room) return;
    const { data } = await request(a, 'get_messages', { conversation_id: room.id }, room.members.has(a));
    if (!room.members.has(a)) return;
    const expected = room.messages.map(({ sender, content }) =>
      model.has('blocks', a, sender) ? '[blocked]' : content,
    );
    const got = (data.messages as Frame[]).map(({ content }) => content as string);
    expect(got).toEqual(expected.toReversed().slice(0, 100));
  },
  async get_lists(a) {
    const contacts = users.filter((b) => model.has('contacts', a, b)).map(({ name }) => name);
    expect((await a.client.get('get_contacts'))['contacts']).toEqual(contacts.toSorted());
    const rooms = (await a.client.get('get_conversations')) as unknown as { id: number }[];
    expect(rooms.map(({ id }) => id)).toEqual(model.rooms.filter(({ members }) => members.has(a)).map(({ id }) => id));
    if (!a.isV2) return;
    const requests = (await a.client.get('get_contact_requests')) as unknown as Frame[];
    const incoming = requests.filter((item) => item['is_incoming'] === true).map(({ username }) => username as string);
    const outgoing = requests.filter((item) => item['is_incoming'] === false).map(({ username }) => username as string);
    const expectRequests = (list: string[], isRequest: (b: Member) => boolean) =>
      expect(list.toSorted()).toEqual(
        users
          .filter(isRequest)
          .map(({ name }) => name)
          .toSorted(),
      );
    expectRequests(incoming, (b) => model.has('requests', b, a));
    expectRequests(outgoing, (b) => model.has('requests', a, b));
  },
};

/** The model does not know the events of conversations: test/chat/v2-members.spec.ts tests them. */
function pastEvents(client: ChatClient): ChatClient {
  const next = client.next.bind(client);
  client.next = async () => {
    let frame = await next();
    while (frame['type'] === 'conversation_event') frame = await next();
    return frame;
  };
  return client;
}

async function sendMessage(a: Member): Promise<void> {
  const room = pick(model.rooms);
  if (!room) return;
  const content = `message ${random()}`;
  const isAllowed = !model.isRefused(room, a);
  const receivers = [...room.members].filter((member) => member !== a && !model.has('blocks', member, a));
  const push = receivers.map((member): [Member, string] => [member, 'send_message']);
  await request(a, 'send_message', { conversation_id: room.id, content }, isAllowed, push);
  if (isAllowed) room.messages.push({ sender: a, content });
}

it(`contacts, blocks, leaving and messages agree with a model (SEED=${SEED})`, { timeout: 240_000 }, async () => {
  users = [];
  for (let i = 0; i < 5; i++) {
    const user = await t.user();
    const isV2 = i % 2 === 0;
    tokens.set(user.username, user.token);
    users.push({ client: pastEvents(await connect(t, user, isV2 ? V2 : {})), isV2, name: user.username });
  }
  for (let step = 0; step < STEPS; step++) {
    const name = pick(Object.keys(STEPS_BY_NAME));
    await STEPS_BY_NAME[name]!(pick(users), pick(users));
    if (step % 50 === 0) for (const { client } of users) await client.expectNoFrame();
  }
  for (const { client } of users) await client.expectNoFrame();
});

// The load of the fault runs: users who chat, read, book appointments and replace their avatars through @machi/client. Notes what
// was acknowledged, and compares that with what is stored afterwards.
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { WebSocket } from 'ws';
import { MachiClient, MachiProblem } from '../../../clients/typescript/dist/index.js';

const USERS = 12;
const MEMBERS = 4; // of a conversation
const LISTED = 200; // appointments at most
const DAY_MS = 86_400_000;
const PASSWORD = 'cloudy harbour seven';
const text = () => randomBytes(8).toString('hex');

/** What happened since the last `take`. */
class Counts {
  values = {};
  slowest = 0;

  add(name) {
    this.values[name] = (this.values[name] ?? 0) + 1;
  }

  take() {
    const taken = { ...this.values, 'slowest send, ms': Math.round(this.slowest) };
    this.values = {};
    this.slowest = 0;
    return taken;
  }
}

async function newUser(baseUrl, fullname) {
  const client = new MachiClient({ baseUrl });
  const username = `fault${text()}`;
  const { id } = await client.api.register({ body: { username, password: PASSWORD, fullname } });
  await client.signIn(username, PASSWORD);
  const chat = client.chat({ WebSocket });
  chat.connect();
  return { id, username, client, chat, received: new Map(), sent: [], bookings: [], avatars: [] };
}

/** A vaccination session with room for everyone. */
async function newSession({ api }) {
  const doses = [{ min_interval_days: 0, recommended_interval_days: 0, grace_days: 0 }];
  const product = { name: 'Fault run', manufacturer: 'Test Works', disease: '840539006', min_age_months: 144 };
  const { id: vaccine_id } = await api.createVaccine({ body: { code: text(), ...product, doses } });
  const place = { address: 'Road 7', district: 'Dhaka', latitude: 23.7461, longitude: 90.3742 };
  const { id: centre_id } = await api.createCentre({ body: { code: text(), name: 'Test Centre', ...place } });
  const at = (days) => new Date(Date.now() + days * DAY_MS).toISOString();
  const times = { starts_at: at(7), ends_at: at(7.1), opens_at: at(-1) };
  const body = { centre_id, vaccine_id, ...times, capacity: 500 };
  const { id } = await api.createVaccinationSession({ body });
  await api.openVaccinationSession({ path: { id } });
  return id;
}

export async function startLoad(baseUrl, adminPassword) {
  const admin = new MachiClient({ baseUrl });
  await admin.signIn('admin', adminPassword);
  const session_id = await newSession(admin);
  const users = [];
  for (let i = 0; i < USERS; i++) users.push(await newUser(baseUrl, `Fault ${i}`));
  const conversations = [];
  for (let i = 0; i < USERS; i += MEMBERS) {
    const members = users.slice(i, i + MEMBERS);
    const names = members.slice(1).map(({ username }) => username);
    const { id } = await members[0].chat.request('create_conversation', { members: names, name: 'Faults' });
    for (const user of members) follow(user, id);
    conversations.push({ id, members });
  }
  for (const user of users) {
    const id_number = Array.from({ length: 13 }, () => randomInt(1, 10)).join('');
    const person = { legal_name: 'Test Person', date_of_birth: '1990-04-01', phone: '01712345678' };
    const body = { ...person, id_type: 'NID', id_number };
    const { id } = await user.client.api.createRegistration({ body });
    await admin.api.verifyRegistration({ path: { id } });
    user.registration_id = id;
  }

  const counts = new Counts();
  let isRunning = true;
  const repeat = (everyMs, work) => repeatUntil(() => !isRunning, everyMs, work);
  const loops = conversations.flatMap(({ id, members }) =>
    members.flatMap((user) => [
      repeat(250, () => send(user, id, counts)),
      repeat(1500, () => book(user, session_id, counts)),
      repeat(500, () => read(user, id, counts)),
      repeat(10_000, () => setAvatar(user, counts)),
    ]),
  );

  return {
    take: () => counts.take(),
    async stop() {
      isRunning = false;
      await Promise.all(loops);
      await sleep(3_000); // what was sent last is delivered
    },
    async compare() {
      const faults = [];
      for (const { id, members } of conversations) faults.push(...(await compareMessages(id, members)));
      for (const user of users) faults.push(...(await compareBookings(user)), ...(await compareAvatar(user)));
      for (const { chat } of users) chat.close();
      const all = (list) => users.flatMap((user) => user[list]).length;
      return { messages: all('sent'), bookings: all('bookings'), avatars: all('avatars'), faults };
    },
  };
}

async function repeatUntil(isOver, everyMs, work) {
  await sleep(Math.random() * everyMs);
  while (!isOver()) {
    await work();
    await sleep(everyMs * (0.5 + Math.random()));
  }
}

/** Notes how often each message arrives. */
function follow(user, conversation_id) {
  const onEvent = ({ kind, message }) => {
    if (kind !== 'message') return;
    user.received.set(message.content, (user.received.get(message.content) ?? 0) + 1);
  };
  user.chat.follow([{ conversation_id, message_id: 0, revision: 0 }], onEvent);
}

async function send(user, conversation, counts) {
  const content = text();
  const start = performance.now();
  if (!(await attempt(counts, 'sends', () => user.chat.send(conversation, content)))) return;
  user.sent.push(content);
  counts.slowest = Math.max(counts.slowest, performance.now() - start);
}

async function read({ client }, conversation, counts) {
  await attempt(counts, 'reads', () =>
    Math.random() < 0.5 ? client.api.getMe() : client.api.listMessages({ path: { conversation } }),
  );
}

/** Books and cancels. Repeats a request until it is answered, with the same key. */
async function book({ client, registration_id, bookings }, session_id, counts) {
  const headers = { 'Idempotency-Key': randomUUID() };
  const body = { registration_id, session_id };
  const { id } = await untilAnswered(counts, 'bookings', () => client.api.bookAppointment({ headers, body }));
  bookings.push(id);
  await untilAnswered(counts, 'cancellations', () => client.api.cancelAppointment({ path: { id } }), [
    'appointment_not_changeable', // the answer to the first request was lost
  ]);
}

async function setAvatar({ client, avatars }, counts) {
  const image = { width: 64, height: 64, channels: 3 };
  const png = await sharp(randomBytes(64 * 64 * 3), { raw: image })
    .png()
    .toBuffer();
  const avatar = new Blob([png]);
  const set = await attempt(counts, 'avatars', () => client.api.uploadAvatar({ body: { avatar } }));
  if (set) avatars.push(set.id);
}

/** Undefined if it fails. */
async function attempt(counts, name, work) {
  try {
    const result = await work();
    counts.add(name);
    return result ?? true;
  } catch (error) {
    counts.add(`${name} refused: ${codeOf(error)}`);
    return undefined;
  }
}

async function untilAnswered(counts, name, work, accepted = []) {
  for (;;) {
    try {
      const result = await work();
      counts.add(name);
      return result;
    } catch (error) {
      const code = codeOf(error);
      if (accepted.includes(code)) return counts.add(name);
      counts.add(`${name} repeated: ${code}`);
      if (error instanceof MachiProblem && error.status < 500 && error.status !== 429) throw error;
      await sleep(1_000);
    }
  }
}

const codeOf = (error) => error.code ?? error.cause?.code ?? error.message;

async function compareMessages(id, members) {
  const stored = new Map();
  const { messages } = await members[0].client.api.exportConversation({ path: { conversation: id } });
  for (const { content } of messages) stored.set(content, (stored.get(content) ?? 0) + 1);
  const faults = [];
  const expectOnce = (where, list, content) => {
    const times = list.get(content) ?? 0;
    if (times !== 1) faults.push(`message ${content} is ${times} times ${where}`);
  };
  for (const content of members.flatMap(({ sent }) => sent)) expectOnce('stored', stored, content);
  for (const [content, times] of stored) {
    if (times !== 1) faults.push(`message ${content} is ${times} times stored`);
    for (const { username, received } of members) expectOnce(`delivered to ${username}`, received, content);
  }
  return faults;
}

/** Every appointment was acknowledged, and every acknowledged one is there. */
async function compareBookings({ client, username, bookings }) {
  const { items } = await client.api.listMyAppointments();
  const ids = items.map(({ id }) => id);
  const newest = ids.length === LISTED ? bookings.slice(-LISTED) : bookings;
  const lost = newest.filter((id) => !ids.includes(id)).map((id) => `appointment ${id} of ${username} is lost`);
  const extra = ids
    .filter((id) => !newest.includes(id))
    .map((id) => `appointment ${id} of ${username} is one too many`);
  const open = items.filter(({ status }) => status !== 'cancelled');
  return [...lost, ...extra, ...open.map(({ id }) => `appointment ${id} of ${username} is not cancelled`)];
}

/** The avatar that was acknowledged last is there, with its files. */
async function compareAvatar({ client, username, avatars }) {
  if (avatars.length === 0) return [];
  const id = avatars.at(-1);
  const file = await client.api.getAvatarFile({ path: { id, size: 256 } }).catch((error) => error);
  return file instanceof Blob ? [] : [`avatar ${id} of ${username} is lost: ${codeOf(file)}`];
}

// A day in the town: sign-ins, refreshes, reads, chat messages, bookings at an opening, uploads and page reads on a fixed
// schedule, whether or not earlier requests are answered. Finds the highest rate that Machi keeps, then runs at 60 % of it.
// `--rates '{"reads":100}'` replaces rates.
import bcrypt from 'bcrypt';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { makeConversation, toMachi, withChat } from './support/chat-world.mjs';
import { usage } from './support/harness.mjs';
import { OpenLoop } from './support/open-loop.mjs';
import { toRows } from './support/results.mjs';
import { makeCentre, makeSessions, registerPeople } from './support/vaccination-world.mjs';
import { makeUsers } from './support/world.mjs';

/** Per second, at the factor 1. */
const RATES = { 'sign-ins': 0.5, refreshes: 2, reads: 60, pages: 20, messages: 20, bookings: 10, uploads: 0.5 };
const FACTORS = [0.5, 1, 1.5, 2.2, 3.3, 5, 7.5, 11];
/** Runs before the first step, each with an opening: code that has run a few hundred times is several times as fast. */
const WARM_UPS = 3;
const LIMIT_P99_MS = 250;
const PEOPLE = 5000;
const ROOMS = 5;
const MEMBERS = 20;
/** The bookings of a run are sent within this part of it, after the opening at its middle. */
const OPENING = 0.1;

export const options = { seconds: 20 };

export function run({ seconds, rates: changes = {}, isQuick }) {
  const rates = { ...RATES, ...changes };
  return withChat(1, async (world, load) => {
    const town = await makeTown(world);
    await connectMembers(world, load, town);
    const at = (factor, duration) => measure(world, load, town, scaled(rates, factor), duration);
    const duration = isQuick ? 4 : seconds / 2;
    for (let i = 0; i < WARM_UPS; i++) await at(1, duration);
    let ceiling = 0;
    let last;
    for (const factor of FACTORS) {
      last = await at(factor, duration);
      if (!last.isKept) break;
      ceiling = factor;
    }
    if (ceiling === 0) throw new Error(`not even ${FACTORS[0]} of the rates is kept: ${JSON.stringify(last)}`);
    const result = await at(ceiling * 0.6, duration * 3);
    await load.all('close');
    return toTownRows({ result, last, ceiling, rates });
  });
}

/** Opens the chat connections of the town. */
export const connectMembers = ({ machi }, load, { members }) =>
  load.connect({ port: Number(new URL(machi.url).port) }, members);

/** What each kind of request is sent per second, at this factor. */
export const scaledRates = (factor) => scaled(RATES, factor);

const scaled = (rates, factor) =>
  Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, rate * factor]));

const row = (scenario, name, round, unit) => toRows(scenario, [{ name, rounds: [round] }], { unit })[0];

function toTownRows({ result, last, ceiling, rates }) {
  const total = Object.values(rates).reduce((sum, rate) => sum + rate, 0) * ceiling;
  const { machi, postgres, clients } = last.processors;
  const used = `processors used beyond it: server ${machi}, PostgreSQL ${postgres}, clients ${clients}`;
  return [
    row('Town, highest rate kept', 'Machi', { rate: total }, `requests/s; ${used}`),
    ...Object.entries(result.kinds).map(([name, { rate, errors, p50, p99 }]) =>
      row('Town, at 60 % of it', name, { rate, p50, p99 }, `/s, ${errors} errors`),
    ),
    row('Town, at 60 % of it', 'memory growth', { rate: result.growth, rss: result.rss }, 'MiB'),
  ];
}

/** Users, chat rooms, a page image and a vaccination drive. */
export async function makeTown(world) {
  const { query, sign, issuer } = world;
  const users = await makeUsers(world, PEOPLE);
  const password = randomBytes(12).toString('hex');
  const signers = users.slice(0, 50).map(({ user_id }) => user_id);
  await query('update users set password_hash = $1 where id = any($2::uuid[])', [
    await bcrypt.hash(password, 12),
    signers,
  ]);
  const { rows } = await query('select username from users where id = any($1::uuid[])', [signers]);
  const members = [];
  for (let room = 0; room < ROOMS; room++) {
    const group = users.slice(100 + room * MEMBERS, 100 + (room + 1) * MEMBERS);
    const conversation_id = await makeConversation(world, group);
    for (const user of group) {
      const mark = members.length;
      const content = 'x'.repeat(60) + String(mark).padStart(4, '0');
      members.push({
        mark,
        text: JSON.stringify({ type: 'send_message', conversation_id, content }),
        to: toMachi(user),
      });
    }
  }
  return {
    users,
    logins: rows.map(({ username }) => ({ login: username, password })),
    refreshTokens: users.slice(1000, 1100).map(({ refreshClaims }) => sign({ iss: issuer, ...refreshClaims })),
    members,
    photo: await sharp({ create: { width: 400, height: 400, channels: 3, background: '#357' } })
      .jpeg()
      .toBuffer(),
    ...(await makeLibrary(world)),
    ...(await makeDrive(world, users)),
  };
}

/** A project with a cover, whose delivery is that of a page. */
async function makeLibrary({ call, password }) {
  const { identity_token: token } = await call('POST', 'sessions', { login: 'admin', password });
  const project = await call('POST', 'projects', { title: 'Long project', original_language: 'ja' }, token);
  const noise = { raw: { width: 40, height: 60, channels: 3 } };
  const form = new FormData();
  form.set(
    'cover',
    new Blob([
      await sharp(randomBytes(40 * 60 * 3), noise)
        .resize(1200, 1800)
        .jpeg()
        .toBuffer(),
    ]),
    'a.jpg',
  );
  const { cover } = await call('PUT', `projects/${project.id}/cover?version=1`, form, token);
  return { cover: cover.reader.replace(/^https?:\/\/[^/]+/, '') };
}

/** A vaccination session, and a verified registration for every user. */
async function makeDrive({ query }, users) {
  await makeCentre(query);
  const [sessionId] = await makeSessions(query, 1, 1_000_000);
  return { sessionId, bookers: await registerPeople(query, users) };
}

/** One run: what each kind of request took, and whether the schedule was kept. */
export async function measure({ machi, postgresCpu }, load, town, rates, seconds) {
  const loop = new OpenLoop(machi.url);
  const cpus = () => [usage(machi.pid).cpu, postgresCpu(), process.cpuUsage().user / 1e6];
  const [before, rss] = [cpus(), usage(machi.pid).rss];
  const opening = seconds / 2;
  for (const [kind, rate] of Object.entries(rates)) {
    const count = Math.round(rate * seconds);
    if (kind === 'bookings') loop.schedule(kind, count, opening, seconds * OPENING, REQUESTS[kind](town));
    else if (kind !== 'messages') loop.schedule(kind, count, 0, seconds, REQUESTS[kind](town));
  }
  await load.all('reset');
  await load.all('start', { window: 0, rate: rates.messages });
  const kinds = await loop.run();
  await load.all('stop');
  for (let i = 0; i < 100 && !(await load.all('isDone')).every(Boolean); i++) await sleep(50);
  const isChatDone = (await load.all('isDone')).every(Boolean);
  const [{ echoes, p50, p99 }] = await load.all('count');
  kinds.messages = { rate: echoes / seconds, errors: isChatDone ? 0 : 1, p50, p99 };
  const [server, postgres, clients] = cpus().map((cpu, i) => ((cpu - before[i]) / seconds).toFixed(2));
  const errors = Object.values(kinds).reduce((sum, kind) => sum + kind.errors, 0);
  return {
    kinds,
    isKept: errors === 0 && kinds.reads.p99 <= LIMIT_P99_MS && kinds.pages.p99 <= LIMIT_P99_MS,
    processors: { machi: server, postgres, clients },
    rss: usage(machi.pid).rss,
    growth: usage(machi.pid).rss - rss,
  };
}

/** Takes one of a list after the other. */
const inTurn = (list) => {
  let next = 0;
  return () => list[next++ % list.length];
};

/** What makes the requests of each kind: [method, path, token, body, content type, what is done with the answer]. */
const REQUESTS = {
  'sign-ins': ({ logins }) => {
    const next = inTurn(logins);
    return () => ({ method: 'POST', path: '/api/sessions', json: next() });
  },
  refreshes:
    ({ refreshTokens }) =>
    () => {
      const refresh_token = refreshTokens.shift();
      const onAnswer = (answer) => refreshTokens.push(answer.refresh_token);
      return { method: 'POST', path: '/api/sessions/refresh', json: { refresh_token }, onAnswer };
    },
  reads: ({ users }) => {
    const next = inTurn(users);
    const path = inTurn([
      '/api/users/me',
      '/api/users/me',
      '/api/users/me',
      '/api/users?limit=20',
      '/api/vaccination/sessions?limit=20',
    ]);
    return () => ({ method: 'GET', path: path(), token: next().token });
  },
  pages:
    ({ cover }) =>
    () => ({ method: 'GET', path: cover }),
  bookings:
    ({ bookers, sessionId }) =>
    () => {
      const { id, token } = bookers.pop();
      return {
        method: 'POST',
        path: '/api/vaccination/appointments',
        token,
        json: { registration_id: id, session_id: sessionId },
      };
    },
  uploads: ({ users, photo }) => {
    const next = inTurn(users.slice(0, 100));
    return () => ({ method: 'PUT', path: '/api/users/me/avatar', token: next().token, file: photo });
  },
};

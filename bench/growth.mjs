// The cost of operations in databases of 10³, 10⁵ and 10⁶ users, messages, chapters, appointments and so on: it must stay flat, or grow
// with the logarithm. `--sizes '[1000,100000]'` takes other sizes. Each size has a PostgreSQL and a Machi of its own; rounds alternate between them.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { WebSocket } from 'ws';
import { toGrowthChart } from './support/chart.mjs';
import { median, usage } from './support/harness.mjs';
import { fillLargeDatabase } from './large-database.mjs';
import { toRows } from './support/results.mjs';
import { signTokens, withWorld } from './support/world.mjs';

const SIZES = [1_000, 100_000, 1_000_000];
const PEOPLE = 100;
const MAX_BACKGROUND_SECONDS = 180;
/** CPU of an idle PostgreSQL in five seconds, at most. */
const IDLE_CPU_SECONDS = 0.25;
const CHART = 'docs/growth.svg';
const DOCUMENT = 'docs/performance.md';

export const options = { seconds: 2, rounds: 5, sizes: SIZES };

export async function run({ seconds, rounds, sizes = SIZES }) {
  return withTowns(sizes, async (towns) => {
    const rows = [];
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      const series = towns.map((town, i) => ({ name: nameOf(sizes[i]), town, rounds: [] }));
      for (let round = 0; round <= rounds; round++)
        for (const { town, rounds: measured } of series) {
          const result = await measure(town, operation, seconds * 1000);
          if (round > 0) measured.push(result);
        }
      rows.push(...toRows(name, series.toReversed(), { unit: 'ms', isLowerBetter: true }));
    }
    document(rows, sizes);
    return rows;
  });
}

const nameOf = (size) => `${size.toLocaleString('en')} rows`;

/** Runs `work` with a town of each size. */
async function withTowns(sizes, work, towns = []) {
  if (towns.length === sizes.length) return work(towns);
  return withWorld({}, async (world) => {
    const town = await makeTown(world, sizes[towns.length]);
    try {
      return await withTowns(sizes, work, [...towns, town]);
    } finally {
      town.socket.terminate();
    }
  });
}

async function makeTown(world, size) {
  const superuser = new pg.Client({ ...world.connection, user: 'postgres' });
  await superuser.connect();
  await fillLargeDatabase(superuser, size);
  await superuser.query('checkpoint');
  await superuser.end();
  await waitForBackground(world);
  const { rows: sessions } = await world.query(
    `select s.id, s.user_id, s.token_id from (select id from users where username ~ '^person[0-9]+$' order by id limit $1) u
      join sessions s on s.user_id = u.id`,
    [PEOPLE],
  );
  const people = signTokens(world, sessions);
  const ids = (text, values = []) => world.query(text, values).then(({ rows }) => rows.map(({ id }) => id));
  const [{ id: person1 }] = (await world.query(`select id from users where username = 'person1'`)).rows;
  const { token } = people.find(({ user_id }) => user_id === person1);
  return {
    world,
    people,
    socket: await openSocket(world.machi.url, token),
    project: (await ids(`select id from projects where slug = 'project-1'`))[0],
    chapters: await ids(`select id from chapters where state = 'published' order by random() limit 500`),
    centres: await ids('select id from vaccination_centres order by random() limit 100'),
    sessions: await ids(
      `select id from vaccination_sessions where status = 'open' and capacity > booked and starts_at > now() + interval '2 days' order by random() limit 500`,
    ),
    patients: await makePatients(world),
  };
}

/** Waits until PostgreSQL is nearly idle: Machi sends the reminders and notices that the new rows make due. */
async function waitForBackground({ postgresCpu }) {
  for (let i = 0; i < MAX_BACKGROUND_SECONDS / 5; i++) {
    const before = postgresCpu();
    await sleep(5000);
    if (postgresCpu() - before < IDLE_CPU_SECONDS) return;
  }
}

/** Verified people without appointments and doses, whose accounts have sessions. */
async function makePatients(world) {
  const { rows } = await world.query(
    `select r.id as registration_id, s.id, s.user_id, s.token_id from vaccination_registrations r join sessions s on s.user_id = r.user_id
      where r.status = 'verified' and not exists (
        select from vaccination_appointments a where a.registration_id = r.id and a.status in ('booked', 'checked_in'))
        and not exists (select from vaccination_doses d where d.registration_id = r.id)
      limit 300`,
  );
  const tokens = signTokens(world, rows);
  return rows.map(({ registration_id }, i) => ({ registration_id, token: tokens[i].token }));
}

async function openSocket(url, token) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/ws`, ['machi.v2'], {
    headers: { authorization: `Bearer ${token}` },
  });
  await once(socket, 'message');
  return socket;
}

/** Sends a frame and waits for its answer. */
function ask(socket, frame) {
  const request_id = randomUUID();
  return new Promise((resolve, reject) => {
    const listen = (data) => {
      const answer = JSON.parse(data);
      if (answer.request_id !== request_id) return;
      socket.off('message', listen);
      if (answer.success) resolve(answer.data);
      else reject(new Error(`${frame.type}: ${answer.error}`));
    };
    socket.on('message', listen);
    socket.send(JSON.stringify({ ...frame, request_id }));
  });
}

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const hex = (length) => randomUUID().replaceAll('-', '').slice(0, length);
const get = ({ world, people }, path) => world.call('GET', path, undefined, pick(people).token);

/** Each is sent many times, with other people and other rows each time. */
const OPERATIONS = {
  'GET me': (town) => get(town, 'users/me'),
  'Search of users': (town) => get(town, `users?limit=20&q=${hex(5)}`),
  'List of the sessions of a centre': (town) => get(town, `vaccination/sessions?limit=50&centre=${pick(town.centres)}`),
  'List of chapters': (town) => get(town, `projects/${town.project}/chapters?limit=50`),
  'A chapter': (town) => get(town, `chapters/${pick(town.chapters)}`),
  'Latest chapters': (town) => get(town, 'chapters/latest?limit=50'),
  'List of projects': (town) => get(town, 'projects?limit=20'),
  'Search of projects': (town) => get(town, `projects?limit=20&q=${hex(5)}`),
  'Sending a message': ({ socket }) =>
    ask(socket, { type: 'send_message', conversation_id: 2, content: 'The ferry leaves.', nonce: randomUUID() }),
  'The newest messages': ({ socket }) => ask(socket, { type: 'get_messages', conversation_id: 1 }),
  'Sync of 100 conversations': ({ socket }) => ask(socket, { type: 'sync' }),
  'Booking and cancelling': async ({ world, patients, sessions }) => {
    const { registration_id, token } = patients[0];
    patients.push(patients.shift());
    const body = { registration_id, session_id: pick(sessions) };
    const { id } = await world.call('POST', 'vaccination/appointments', body, token);
    await world.call('DELETE', `vaccination/appointments/${id}`, undefined, token);
  },
};

/** Sends one request at a time for this long. Returns the median time, and the CPU of Machi and of PostgreSQL for each. */
async function measure(town, operation, duration) {
  const { machi, postgresCpu } = town.world;
  const times = [];
  const before = [usage(machi.pid).cpu, postgresCpu()];
  const end = performance.now() + duration;
  while (performance.now() < end) {
    const start = performance.now();
    await operation(town);
    times.push(performance.now() - start);
  }
  const after = [usage(machi.pid).cpu, postgresCpu()];
  const [cpu, pgCpu] = after.map((seconds, i) => ((seconds - before[i]) / times.length) * 1e6);
  const sorted = times.toSorted((a, b) => a - b);
  return { rate: median(times), p50: median(times), p99: sorted[Math.floor(sorted.length * 0.99)], cpu, pgCpu };
}

/** Writes the chart and the table of docs/performance.md. */
function document(rows, sizes) {
  const names = sizes.map(nameOf);
  const scenarios = [...new Set(rows.map(({ scenario }) => scenario))].map((scenario) => ({
    scenario,
    rows: names.map((name) => rows.find((row) => row.scenario === scenario && row.name === name)),
  }));
  writeFileSync(CHART, toGrowthChart(sizes, scenarios));
  const cells = scenarios.map(({ scenario, rows: measured }) => [
    scenario,
    ...measured.map(({ p50, pgCpu }) => `${p50} ms, ${pgCpu} µs`),
  ]);
  const lines = [['Operation', ...names], names.concat('').map(() => '---'), ...cells].map(
    (line) => `| ${line.join(' | ')} |`,
  );
  const text = readFileSync(DOCUMENT, 'utf8');
  const table = /(<!-- bench: growth -->\n)[\s\S]*?(\n<!-- bench: growth end -->)/;
  writeFileSync(DOCUMENT, text.replace(table, `$1\n${lines.join('\n')}\n$2`));
}

// Bookings per second, compared with a bare loop of `pg` that books with one prepared INSERT per place. Each round runs in a
// process of its own, on the same PostgreSQL, in turns.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { startPostgres } from './support/postgres.mjs';
import { toRows } from './support/results.mjs';
import { makeCentre, makeSessions, registerPeople } from './support/vaccination-world.mjs';

const MANY_PLACES = 1_000_000;

/** Where the places are: [title, number of sessions, places of each]. */
const SCENES = [
  ['one session', 1, MANY_PLACES],
  ['50 sessions', 50, MANY_PLACES],
  ['one session of 100 places', 1, 100],
];
/** It is slower than the one with 8 connections nearly always. */
const SECOND_BASELINE = 'bare pg, 20 connections';
const LOADS = [
  ['Machi', { KIND: 'machi', CONCURRENCY: 500 }],
  [SECOND_BASELINE, { KIND: 'bare', CONCURRENCY: 20 }],
  ['bare pg, 8 connections', { KIND: 'bare', CONCURRENCY: 8 }],
];

const query = (client) => (text, values) => client.query(text, values);

export const options = { seconds: 4, rounds: 5, people: 80_000 };

export async function run({ seconds, rounds, people = 50_000, isQuick }) {
  const postgres = await startPostgres();
  const client = new pg.Client(postgres.connection);
  try {
    await client.connect();
    await makeCentreAndPeople(client, people);
    const rows = [];
    for (const scene of SCENES) {
      const loads = isQuick ? LOADS.filter(([name]) => name !== SECOND_BASELINE) : LOADS;
      const series = await measure(client, postgres.connection, scene, loads, {
        seconds,
        rounds: isQuick ? 2 : rounds,
      });
      rows.push(...toRows(`Bookings, ${scene[0]}`, series, { unit: 'answers/s' }));
    }
    return rows;
  } finally {
    await client.end();
    await postgres.stop();
  }
}

async function makeCentreAndPeople(client, people) {
  await makeCentre(query(client));
  const { rows } = await client.query(
    `insert into users (id, username, fullname, created_at, updated_at)
    select gen_random_uuid(), 'bench' || i, 'Bench', now(), now() from generate_series(1, $1::int) i returning id as user_id`,
    [people],
  );
  await registerPeople(query(client), rows);
}

/** Empties the tables of bookings and makes the sessions of a scene. */
async function prepare(client, sessions, capacity) {
  for (const statement of [
    'delete from vaccination_appointments',
    'truncate vaccination_booking_requests, vaccination_notices',
    'delete from vaccination_sessions',
  ]) {
    await client.query(statement);
  }
  await makeSessions(query(client), sessions, capacity);
  for (const table of ['vaccination_appointments', 'vaccination_registrations', 'vaccination_notices']) {
    await client.query(`vacuum analyze ${table}`);
  }
}

async function runProcess(connection, seconds, env) {
  const child = spawn(process.execPath, ['bench/support/booking-load.mjs'], {
    env: { PATH: process.env.PATH, CONNECTION: JSON.stringify(connection), SECONDS: seconds, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${env.KIND} ended with ${code}`);
  return JSON.parse(output.trim().split('\n').at(-1));
}

/** The counter of every session equals its appointments. */
async function assertConsistent(client) {
  const { rows } = await client.query(`select id from vaccination_sessions s
    where booked <> (select count(*) from vaccination_appointments a where a.session_id = s.id and a.status <> 'cancelled')`);
  if (rows.length > 0) throw new Error(`${rows.length} sessions with a wrong counter`);
}

async function measure(client, connection, [, sessions, capacity], loads, { seconds, rounds }) {
  const series = loads.map(([name]) => ({ name, rounds: [] }));
  for (let i = 0; i < rounds; i++) {
    for (const [j, [, env]] of loads.entries()) {
      await prepare(client, sessions, capacity);
      series[j].rounds.push(await runProcess(connection, seconds, env));
      await assertConsistent(client);
    }
  }
  return series;
}

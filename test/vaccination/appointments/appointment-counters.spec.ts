import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { insertPerson } from '../../support/vaccination/bookings.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';

/** The triggers and constraints of the database, without the application. */
let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let one: string;
let other: string;
beforeAll(async () => {
  t = await startApp();
  world = await vaccinationWorld(t);
});
afterAll(() => t.stop());
beforeEach(async () => {
  [one, other] = [await newSession(), await newSession()];
});

const newSession = async (): Promise<string> => (await world.session({ capacity: 2, walk_in_capacity: 1 })).id;

const newPerson = async (): Promise<string> => insertPerson(t, await t.user());

const INSERT = `insert into vaccination_appointments (id, registration_id, session_id, disease, dose, status, is_walk_in,
    created_at, updated_at)
  select x.id, x.registration_id, x.session_id, 'D', 1, x.status, x.is_walk_in, now(), now()
  from jsonb_to_recordset($1) as x (id uuid, registration_id uuid, session_id uuid, status text, is_walk_in boolean)`;

async function insert(...rows: { session: string; status?: string; is_walk_in?: boolean }[]): Promise<string[]> {
  const values = [];
  for (const { session, status = 'booked', is_walk_in = false } of rows) {
    values.push({ id: uuidv7(), registration_id: await newPerson(), session_id: session, status, is_walk_in });
  }
  await t.dataSource.query(INSERT, [JSON.stringify(values)]);
  return values.map(({ id }) => id);
}

/** [booked, walk_ins] of both sessions. */
async function counters(): Promise<number[][]> {
  const rows = await t.dataSource.query<{ id: string; booked: number; walk_ins: number }[]>(
    'select id, booked, walk_ins from vaccination_sessions where id = any ($1)',
    [[one, other]],
  );
  const of = (session: string) => rows.find(({ id }) => id === session)!;
  return [of(one), of(other)].map(({ booked, walk_ins }) => [booked, walk_ins]);
}

const constraintOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'none',
    (error: { constraint?: string }) => error.constraint,
  );

it('counts inserted, moved, cancelled, restored and deleted appointments, also several in one statement', async () => {
  const ids = await insert(
    { session: one },
    { session: one },
    { session: other },
    { session: other, is_walk_in: true },
  );
  expect(await counters()).toEqual([
    [2, 0],
    [1, 1],
  ]);
  await t.dataSource.query(`update vaccination_appointments set status = 'cancelled' where id = $1`, [ids[0]]);
  await t.dataSource.query('update vaccination_appointments set session_id = $2 where id = $1', [ids[1], other]);
  expect(await counters()).toEqual([
    [0, 0],
    [2, 1],
  ]);
  await t.dataSource.query(`update vaccination_appointments set status = 'no_show' where id = any ($1)`, [ids]);
  expect(await counters()).toEqual([
    [1, 0],
    [2, 1],
  ]);
  await t.dataSource.query('delete from vaccination_appointments where id = any ($1)', [ids]);
  expect(await counters()).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

it('a cancelled appointment takes no place', async () => {
  await insert({ session: one, status: 'cancelled' }, { session: one, status: 'fulfilled' });
  expect(await counters()).toEqual([
    [1, 0],
    [0, 0],
  ]);
});

it('the database refuses a place beyond the capacity, a second live appointment and an unknown session', async () => {
  const [id] = await insert({ session: one }, { session: one });
  expect(await constraintOf(insert({ session: one }))).toBe('vaccination_sessions_booked_check');
  await insert({ session: one, is_walk_in: true });
  expect(await constraintOf(insert({ session: one, is_walk_in: true }))).toBe('vaccination_sessions_walk_ins_check');
  const copy = `insert into vaccination_appointments select (jsonb_populate_record(a, $2)).* from vaccination_appointments a
    where id = $1`;
  const second = { id: uuidv7(), session_id: other };
  expect(await constraintOf(t.dataSource.query(copy, [id, second]))).toBe('vaccination_appointments_live_key');
  expect(await constraintOf(insert({ session: uuidv7() }))).toBe('vaccination_appointments_session_id_fkey');
  expect(await counters()).toEqual([
    [2, 1],
    [0, 0],
  ]);
});

it('two concurrent bookings of one session wait for each other and share no lock on its row', async () => {
  const clients = [new pg.Client(t.connection), new pg.Client(t.connection)] as const;
  const people = [await newPerson(), await newPerson()];
  const row = (registration_id: string) =>
    JSON.stringify([{ id: uuidv7(), registration_id, session_id: one, status: 'booked', is_walk_in: false }]);
  try {
    for (const client of clients) await client.connect();
    await clients[0].query('begin');
    await clients[0].query(INSERT, [row(people[0]!)]);
    const { rows } = await clients[0].query<{ xid: string }>('select pg_current_xact_id()::text as xid');
    const second = clients[1].query(INSERT, [row(people[1]!)]);
    await expect
      .poll(() =>
        t.dataSource.query(
          `select count(*)::int from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
        ),
      )
      .toEqual([{ count: 1 }]);
    // A shared lock would show here as the id of a MultiXact.
    const [{ xmax }] = await t.dataSource.query<[{ xmax: string }]>(
      'select xmax::text from vaccination_sessions where id = $1',
      [one],
    );
    expect(xmax).toBe(rows[0]!.xid);
    await clients[0].query('commit');
    await second;
    expect((await counters())[0]).toEqual([2, 0]);
  } finally {
    for (const client of clients) await client.end();
  }
});

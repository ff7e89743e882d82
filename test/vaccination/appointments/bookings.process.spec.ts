import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { insertPerson } from '../../support/vaccination/bookings.js';
import { databaseEnv } from '../../support/setup/database.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../../support/servers/machi-process.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';

/** Two processes of the built Machi on one database; with the test's own application, three nodes promote from waitlists. */
const ACCOUNTS = 100;
const PEOPLE_PER_ACCOUNT = 5;
const PLACES = 50;
const SESSIONS = 5;
/** Requests in flight, and connections of each process to the database: 200 real connections. */
const CLIENTS = 240;
const POOL_SIZE = 100;
const CHURN_MS = 30_000;
/** People, and places of each session, while they book, move, cancel and wait: twice as many people as places. */
const CHURN_PEOPLE = 300;
const CHURN_PLACES = CHURN_PEOPLE / 2 / SESSIONS;

interface Citizen {
  user: SignedInUser;
  person: string;
}

let t: TestApp;
/** For what the clients read themselves. A read waits for a connection as long as it takes, unlike in the pool of `t`. */
let reads: Pool;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let nodes: MachiProcess[];
let citizens: Citizen[];
const folder = dataFolder();

beforeAll(async () => {
  t = await startApp();
  reads = new Pool({ ...t.connection, max: 4 });
  world = await vaccinationWorld(t);
  const env = {
    NODE_ENV: 'test',
    DATA_DIR: folder.path,
    SECRET_KEY: t.config.SECRET_KEY,
    DB_POOL_SIZE: String(POOL_SIZE),
    RATE_LIMITS: 'off',
    ...databaseEnv(t.connection),
  };
  nodes = [await whenServing(launch(env)), await whenServing(launch(env))];
  const users = await Promise.all(Array.from({ length: ACCOUNTS }, () => t.user()));
  const places = Array.from({ length: PEOPLE_PER_ACCOUNT }, (_, place) => place);
  const withPeople = (user: SignedInUser): Promise<Citizen[]> =>
    Promise.all(places.map(async (place) => ({ user, person: await insertPerson(t, user, { place }) })));
  citizens = (await Promise.all(users.map(withPeople))).flat();
  await warmUp();
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.kill('SIGTERM')));
  await reads.end();
  await t.stop();
  folder.remove();
});

let calls = 0;

/** Sends a request to one of the nodes in turn. */
async function call(method: string, path: string, { user }: Citizen, body?: object) {
  const response = await fetch(nodes[calls++ % nodes.length]!.url + path, {
    method,
    headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as { id?: string; code?: string } };
}

/** Opens the connections of both pools: requests wait for the row of a user, each with a connection, until there are enough. */
async function warmUp(): Promise<void> {
  const [citizen] = citizens as [Citizen];
  const requests: Promise<unknown>[] = [];
  await t.dataSource.transaction(async (manager) => {
    await manager.query('select from users where id = $1 for update', [citizen.user.id]);
    const open = async (): Promise<void> => {
      const missing = 2 * POOL_SIZE - (await count(CONNECTIONS));
      for (let i = 0; i < missing; i++) requests.push(call('PATCH', '/api/users/me', citizen, { fullname: 'Warm up' }));
      expect(missing).toBeLessThanOrEqual(0);
    };
    // A machine that is slow opens fewer connections than a request waits for: those that are open stay.
    await vi.waitFor(open, { timeout: 45_000, interval: 1_000 });
  });
  await Promise.all(requests);
}

const book = (citizen: Citizen, session_id: string) =>
  call('POST', '/api/vaccination/appointments', citizen, { registration_id: citizen.person, session_id });

const count = async (sql: string, values: unknown[] = []): Promise<number> =>
  (await t.dataSource.query<[{ count: number }]>(`select count(*)::int from (${sql}) as rows`, values))[0].count;

const deadlocks = async (): Promise<number> =>
  (
    await t.dataSource.query<[{ deadlocks: number }]>(
      'select deadlocks::int from pg_stat_database where datname = current_database()',
    )
  )[0].deadlocks;

const TAKEN = `select from vaccination_appointments where session_id = $1 and status <> 'cancelled'`;

it('500 people who ask two processes for 50 places at once get exactly 50', async () => {
  for (let round = 0; round < 10; round++) {
    const { id } = await world.session({ capacity: PLACES, vaccine_id: (await newVaccine()).id });
    const answers = await Promise.all(citizens.map((citizen) => book(citizen, id)));
    const codes = answers.map(({ status, body }) => (status === 201 ? 'booked' : body.code));
    expect(
      Object.fromEntries([...new Set(codes)].map((code) => [code, codes.filter((c) => c === code).length])),
    ).toEqual({ booked: PLACES, session_full: citizens.length - PLACES });
    expect(await count(TAKEN, [id])).toBe(PLACES);
  }
});

it('20 requests with one Idempotency-Key to two processes at once book one place and get one answer', async () => {
  const { id } = await world.session({ capacity: 1, vaccine_id: (await newVaccine()).id });
  const [citizen] = citizens as [Citizen];
  const request = { registration_id: citizen.person, session_id: id };
  const send = async (_: unknown, i: number) => {
    const response = await fetch(`${nodes[i % 2]!.url}/api/vaccination/appointments`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${citizen.user.token}`,
        'content-type': 'application/json',
        'idempotency-key': 'one',
      },
      body: JSON.stringify(request),
    });
    return [response.status, ((await response.json()) as { id: string }).id];
  };
  const answers = await Promise.all(Array.from({ length: 20 }, send));
  expect(new Set(answers.map((answer) => answer.join(' '))).size).toBe(1);
  expect(answers[0]![0]).toBe(201);
  expect(await count(TAKEN, [id])).toBe(1);
});

it('booking, moving, cancelling and waiting at once through two processes keeps all counters right', async () => {
  const { id: vaccine_id } = await newVaccine();
  const sessions = await Promise.all(
    Array.from({ length: SESSIONS }, async () => (await world.session({ vaccine_id, capacity: CHURN_PLACES })).id),
  );
  await warmUp();
  // Not from the start: requests that open the pools at once may wait too long for a connection.
  const outputBefore = nodes.map((node) => node.output().length);
  const people = citizens.slice(0, CHURN_PEOPLE);
  const statuses = new Map<string, number>();
  const end = performance.now() + CHURN_MS;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const [name, { status, body }] = await act(pick(people), sessions);
      const key = `${name} ${status} ${body.code ?? ''}`.trim();
      statuses.set(key, (statuses.get(key) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  await expect.poll(() => count(UNFILLED), { timeout: 10_000 }).toBe(0);

  const seen = [...statuses.keys()];
  for (const each of ['book 201', 'move 200', 'cancel 204', 'join 201', 'book 409 session_full']) {
    expect(seen, JSON.stringify([...statuses])).toContain(each);
  }
  const faults = nodes.flatMap((node, i) => errorsIn(node.output().slice(outputBefore[i])));
  expect(
    seen.filter((each) => / 5\d\d/.test(each)),
    faults.slice(0, 5).join('\n'),
  ).toEqual([]);
  expect(await count(WRONG_COUNTERS)).toBe(0);
  expect(await count(DOUBLE_BOOKED)).toBe(0);
  expect(await deadlocks()).toBe(0);
  expect(faults.slice(0, 5)).toEqual([]);
});

const errorsIn = (output: string): string[] => output.match(/.*(deadlock|timeout|"level":[56]0).*/g) ?? [];

const newVaccine = () => world.vaccine({ disease: String(6_000_000 + calls++) });

const pick = <T>(list: T[]): T => list[Math.floor(Math.random() * list.length)]!;

/** One random step of a person. */
async function act(citizen: Citizen, sessions: string[]): Promise<[string, Awaited<ReturnType<typeof call>>]> {
  const session = pick(sessions);
  const live = await findAppointment(citizen, sessions);
  const waitlist = `/api/vaccination/sessions/${session}/waitlist`;
  const chance = Math.random();
  if (live === undefined && chance < 0.6) return ['book', await book(citizen, session)];
  if (live === undefined && chance < 0.9) {
    return ['join', await call('POST', waitlist, citizen, { registration_id: citizen.person })];
  }
  if (live === undefined) return ['leave', await call('DELETE', `${waitlist}/${citizen.person}`, citizen)];
  const path = `/api/vaccination/appointments/${live}`;
  if (chance < 0.5) return ['move', await call('PATCH', path, citizen, { session_id: session })];
  return ['cancel', await call('DELETE', path, citizen)];
}

async function findAppointment({ person }: Citizen, sessions: string[]): Promise<string | undefined> {
  const { rows } = await reads.query<{ id: string }>(
    `select id from vaccination_appointments where registration_id = $1 and session_id = any ($2) and status = 'booked'`,
    [person, sessions],
  );
  return rows[0]?.id;
}

const CONNECTIONS = `select from pg_stat_activity where datname = current_database() and backend_type = 'client backend'`;

/** Sessions with free places for which people wait. */
const UNFILLED = `select from vaccination_sessions s where booked < capacity
  and exists (select from vaccination_waitlist_entries w where w.session_id = s.id)`;

const WRONG_COUNTERS = `select from vaccination_sessions s, lateral (
    select count(*) filter (where not is_walk_in) as booked, count(*) filter (where is_walk_in) as walk_ins
    from vaccination_appointments a where a.session_id = s.id and a.status <> 'cancelled'
  ) a where s.booked <> a.booked or s.walk_ins <> a.walk_ins or s.booked > s.capacity`;

const DOUBLE_BOOKED = `select from vaccination_appointments where status in ('booked', 'checked_in')
  group by registration_id, disease having count(*) > 1`;

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { insertPerson } from '../../support/vaccination/bookings.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';

const PATH = '/api/vaccination/appointments';
/** Accounts; each has the owner and four dependants. */
const ACCOUNTS = 100;
const PLACES = 50;

let one: TestApp;
let two: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let people: { user: SignedInUser; person: string }[];
beforeAll(async () => {
  one = await startApp({ env: { RATE_LIMITS: 'off' } });
  two = await startApp({ env: { RATE_LIMITS: 'off', SECRET_KEY: one.config.SECRET_KEY }, database: one.connection });
  world = await vaccinationWorld(one);
  const users = await Promise.all(Array.from({ length: ACCOUNTS }, () => one.user()));
  const of = (user: SignedInUser) =>
    Promise.all([0, 1, 2, 3, 4].map(async (place) => ({ user, person: await insertPerson(one, user, { place }) })));
  people = (await Promise.all(users.map(of))).flat();
  await Promise.all([one.warmUp(), two.warmUp()]);
});
afterAll(async () => {
  await two.stop();
  await one.stop();
});

const book = (t: TestApp, { user, person }: (typeof people)[number], session: string) =>
  t.request('POST', PATH, { token: user.token, body: { registration_id: person, session_id: session } });

/** Sessions whose counter differs from their appointments. */
const WRONG_COUNTERS = `select s.id from vaccination_sessions s where s.booked <> (
  select count(*) from vaccination_appointments a where a.session_id = s.id and a.status <> 'cancelled' and not a.is_walk_in)`;

it('500 people who ask for 50 places through two nodes at once get exactly 50', async () => {
  const session = await world.session({ capacity: PLACES });
  const answers = await Promise.all(people.map((each, i) => book(i % 2 ? one : two, each, session.id)));
  const count = (status: number) => answers.filter((answer) => answer.status === status).length;
  expect([count(201), count(409)]).toEqual([PLACES, people.length - PLACES]);
  const [row] = await one.dataSource.query(
    `select booked, (select count(*)::int from vaccination_appointments where session_id = s.id) as rows
      from vaccination_sessions s where id = $1`,
    [session.id],
  );
  expect(row).toEqual({ booked: PLACES, rows: PLACES });
});

it('booking, moving and cancelling at once through two nodes keep every counter equal to its rows', async () => {
  const vaccine = await world.vaccine({ disease: '6142004' });
  const sessions = await Promise.all(
    Array.from({ length: 4 }, () => world.session({ vaccine_id: vaccine.id, capacity: 12 })),
  );
  const pick = () => sessions[Math.floor(Math.random() * sessions.length)]!.id;
  const run = async (t: TestApp, each: (typeof people)[number]): Promise<number[]> => {
    const { token } = each.user;
    const booked = await book(t, each, pick());
    if (booked.status !== 201) return [booked.status];
    const path = `${PATH}/${booked.body.id}`;
    const changes = await Promise.all([
      t.request('PATCH', path, { token, body: { session_id: pick() } }),
      t.request('PATCH', path, { token, body: { session_id: pick() } }),
      Math.random() < 0.7 ? t.request('DELETE', path, { token }) : undefined,
    ]);
    return [booked.status, ...changes.flatMap((answer) => answer?.status ?? [])];
  };
  const statuses = (await Promise.all(people.slice(0, 250).map((each, i) => run(i % 2 ? one : two, each)))).flat();
  expect(new Set(statuses)).toEqual(new Set([200, 201, 204, 409, 422].filter((each) => statuses.includes(each))));
  expect(statuses).toContain(201);
  expect(statuses).toContain(204);
  expect(await one.dataSource.query(WRONG_COUNTERS)).toEqual([]);
});

it('a failure to find alternatives for one who is refused concerns nobody who has booked in the same batch', async () => {
  const { id: vaccine_id } = await world.vaccine({ disease: '27836007' });
  const session = (capacity: number) => world.session({ vaccine_id, capacity });
  const [full, free, broken] = [await session(1), await session(20), await session(1)];
  // A zone that the database does not know makes the search for alternatives fail.
  await one.dataSource.query(
    `update vaccination_centres set time_zone = 'No/Where' where id = (
      select centre_id from vaccination_sessions where id = $1)`,
    [broken.id],
  );
  // The first request is a batch of its own.
  const answers = await Promise.all(people.slice(0, 40).map((each, i) => book(one, each, i % 2 ? full.id : free.id)));
  const ofFree = answers.filter((_, i) => i % 2 === 0).map(({ status }) => status);
  expect(ofFree).toEqual(Array<number>(20).fill(201));
  expect(await one.dataSource.query(WRONG_COUNTERS)).toEqual([]);
});

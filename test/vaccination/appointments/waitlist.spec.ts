import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WaitlistWorker } from '../../../src/vaccination/waitlist/waitlist.worker.js';
import { PromotionsService } from '../../../src/vaccination/waitlist/promotions.service.js';
import { BookingRequestsWorker } from '../../../src/vaccination/appointments/booking-requests.worker.js';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { insertPerson } from '../../support/vaccination/bookings.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';

const DAY_MS = 86_400_000;

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let vaccineId: string;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-10T05:00:00Z'));
  world = await vaccinationWorld(t);
  vaccineId = (await world.vaccine()).id;
});
afterAll(() => t.stop());

interface Citizen {
  user: SignedInUser;
  person: string;
}

async function citizen(fields?: Parameters<typeof insertPerson>[2]): Promise<Citizen> {
  const user = await t.user();
  return { user, person: await insertPerson(t, user, fields) };
}

const citizens = async (count: number): Promise<Citizen[]> => {
  const list = [];
  for (let i = 0; i < count; i++) list.push(await citizen());
  return list;
};

const newSession = (fields: object = {}) => world.session({ vaccine_id: vaccineId, capacity: 1, ...fields });

const book = ({ user, person }: Citizen, session_id: string) =>
  t.request('POST', '/api/vaccination/appointments', {
    token: user.token,
    body: { registration_id: person, session_id },
  });

const join = ({ user, person }: Citizen, session: string) =>
  t.request('POST', `/api/vaccination/sessions/${session}/waitlist`, {
    token: user.token,
    body: { registration_id: person },
  });

const leave = ({ user, person }: Citizen, session: string) =>
  t.request('DELETE', `/api/vaccination/sessions/${session}/waitlist/${person}`, { token: user.token });

const positionOf = async ({ user }: Citizen, session: string): Promise<number | undefined> => {
  const { body } = await t.request('GET', `/api/vaccination/sessions/${session}/waitlist`, { token: user.token });
  return body['items'][0]?.position;
};

const mine = async ({ user }: Citizen) =>
  (await t.request('GET', '/api/vaccination/appointments/me', { token: user.token })).body['items'] as {
    id: string;
    status: string;
    session: { id: string };
  }[];

const hasPlace = async (each: Citizen, session: string): Promise<boolean> =>
  (await mine(each)).some((item) => item.session.id === session && item.status === 'booked');

const cancel = ({ user }: Citizen, id: string) =>
  t.request('DELETE', `/api/vaccination/appointments/${id}`, { token: user.token });

const setCapacity = (session: string, capacity: number) =>
  t.request('PATCH', `/api/vaccination/sessions/${session}`, { token: world.manager.token, body: { capacity } });

describe('/api/vaccination/sessions/:id/waitlist', () => {
  it('promotes the first who waits when a place is cancelled, within five seconds, and the others move up', async () => {
    const session = await newSession();
    const [owner, first, second] = (await citizens(3)) as [Citizen, Citizen, Citizen];
    const { body } = await book(owner, session.id);
    expect((await join(first, session.id)).body).toMatchObject({ registration_id: first.person, position: 1 });
    expect((await join(second, session.id)).body).toMatchObject({ position: 2 });
    expect(await positionOf(second, session.id)).toBe(2);
    expect((await cancel(owner, body['id'])).status).toBe(204);
    await expect.poll(() => hasPlace(first, session.id), { timeout: 5_000 }).toBe(true);
    expect(await positionOf(first, session.id)).toBeUndefined();
    expect(await positionOf(second, session.id)).toBe(1);
    expect(await hasPlace(second, session.id)).toBe(false);
  });

  it('promotes in the other sessions while one session fails', async () => {
    const sessions = (await Promise.all([1, 2, 3].map(() => newSession()))).map(({ id }) => id);
    const people = await citizens(6);
    for (const [i, session] of sessions.entries()) {
      expect((await book(people[2 * i]!, session)).status).toBe(201);
      expect((await join(people[2 * i + 1]!, session)).status).toBe(201);
    }
    await t.dataSource.query(`
      create function fail() returns trigger language plpgsql as $$ begin raise 'out of order'; end $$;
      create trigger fail before insert on vaccination_appointments for each row
        when (new.session_id = '${sessions[1]}') execute function fail()`);
    for (const session of sessions) await setCapacity(session, 2);
    await expect.poll(() => hasPlace(people[1]!, sessions[0]!)).toBe(true);
    await expect.poll(() => hasPlace(people[5]!, sessions[2]!)).toBe(true);
    await t.dataSource.query('drop trigger fail on vaccination_appointments; drop function fail');
    await expect.poll(() => hasPlace(people[3]!, sessions[1]!)).toBe(true);
  });

  it('promotes in order when the capacity is raised, and skips who has booked elsewhere', async () => {
    const [session, elsewhere] = [await newSession(), await newSession()];
    const [owner, first, second, third] = (await citizens(4)) as [Citizen, Citizen, Citizen, Citizen];
    await book(owner, session.id);
    for (const each of [first, second, third]) expect((await join(each, session.id)).status).toBe(201);
    expect((await book(first, elsewhere.id)).status).toBe(201);
    expect((await setCapacity(session.id, 2)).status).toBe(200);
    await expect.poll(() => hasPlace(second, session.id), { timeout: 5_000 }).toBe(true);
    expect(await hasPlace(first, session.id)).toBe(false);
    expect(await positionOf(first, session.id)).toBeUndefined();
    expect(await positionOf(third, session.id)).toBe(1);
  });

  it('promotes after a move to another session, and keeps a free place for those who wait', async () => {
    const [session, other] = [await newSession(), await newSession()];
    const [owner, waiting, late] = (await citizens(3)) as [Citizen, Citizen, Citizen];
    const { body } = await book(owner, session.id);
    await join(waiting, session.id);
    // Without its timer the worker promotes nobody, so that the place is free for a moment.
    const worker = t.app.get(WaitlistWorker);
    await worker.beforeApplicationShutdown();
    const path = `/api/vaccination/appointments/${body['id']}`;
    const moved = await t.request('PATCH', path, { token: owner.user.token, body: { session_id: other.id } });
    expect(moved.status).toBe(200);
    expect((await book(late, session.id)).body).toMatchObject({ status: 409, code: 'session_full' });
    worker.onApplicationBootstrap();
    await expect.poll(() => hasPlace(waiting, session.id), { timeout: 5_000 }).toBe(true);
  });

  it('is respected by moves and entries that wait for the lock of the session while somebody joins', async () => {
    const [session, other] = [await newSession({ capacity: 2 }), await newSession()];
    const [mover, waiting, late] = (await citizens(3)) as [Citizen, Citizen, Citizen];
    const { body } = await book(mover, other.id);
    const worker = t.app.get(WaitlistWorker);
    await worker.beforeApplicationShutdown();
    const holder = new pg.Client(t.connection);
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from vaccination_sessions where id = $1 for no key update', [session.id]);
    const path = `/api/vaccination/appointments/${body['id']}`;
    const requests = [
      t.request('PATCH', path, { token: mover.user.token, body: { session_id: session.id } }),
      join(late, session.id),
    ];
    const blocked = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await expect.poll(() => t.dataSource.query(blocked)).toHaveLength(2);
    const entry =
      'insert into vaccination_waitlist_entries (session_id, registration_id, created_at) values ($1, $2, now())';
    await holder.query(entry, [session.id, waiting.person]);
    await holder.query('commit');
    await holder.end();
    const [moved, joined] = await Promise.all(requests);
    expect(moved!.body).toMatchObject({ status: 409, code: 'session_full' });
    expect(joined!.body).toMatchObject({ registration_id: late.person, position: 2 });
    expect(await hasPlace(mover, other.id)).toBe(true);
    worker.onApplicationBootstrap();
    await expect.poll(() => hasPlace(late, session.id), { timeout: 5_000 }).toBe(true);
  });

  it('refuses to join with the reason: places left, twice, not eligible, five lists, not open, not own', async () => {
    const session = await newSession();
    const someone = await citizen();
    expect((await join(someone, session.id)).body).toMatchObject({ status: 409, code: 'session_not_full' });
    await book(await citizen(), session.id);
    expect((await join(someone, session.id)).status).toBe(201);
    expect((await join(someone, session.id)).body).toMatchObject({ status: 409, code: 'already_waiting' });
    const young = await citizen({ date_of_birth: '2015-01-19' });
    expect((await join(young, session.id)).body).toMatchObject({ status: 422, code: 'too_young' });
    const pending = await citizen({ status: 'pending' });
    expect((await join(pending, session.id)).body).toMatchObject({ status: 422, code: 'registration_not_verified' });
    const stranger = { user: young.user, person: someone.person };
    expect((await join(stranger, session.id)).body).toMatchObject({ status: 404, code: 'registration_not_found' });
    expect((await leave(stranger, session.id)).body).toMatchObject({ status: 404, code: 'registration_not_found' });
    const later = await newSession({ opens_at: new Date(t.clock.now() + DAY_MS).toISOString() });
    expect((await join(someone, later.id)).body).toMatchObject({ status: 409, code: 'session_not_open_yet' });
    for (let i = 0; i < 4; i++) expect((await join(someone, (await newSession({ capacity: 0 })).id)).status).toBe(201);
    const sixth = await newSession({ capacity: 0 });
    expect((await join(someone, sixth.id)).body).toMatchObject({ status: 409, code: 'too_many_waitlists' });
  });

  it.each([
    ['the vaccine is inactive', { is_active: false }, { is_active: true }],
    ['the centre is closed', { status: 'closed' }, { status: 'active' }],
  ])('keeps those who wait, in order, while %s, and promotes them afterwards', async (_, pause, resume) => {
    const { id: vaccine_id } = await world.vaccine();
    const { id: centre_id } = await world.centre();
    const session = await newSession({ vaccine_id, centre_id });
    const [owner, first, second] = (await citizens(3)) as [Citizen, Citizen, Citizen];
    const { body } = await book(owner, session.id);
    for (const each of [first, second]) expect((await join(each, session.id)).status).toBe(201);
    const path =
      'status' in pause ? `/api/vaccination/centres/${centre_id}` : `/api/vaccination/vaccines/${vaccine_id}`;
    const patch = (fields: object) => t.request('PATCH', path as never, { token: world.manager.token, body: fields });
    await patch(pause);
    expect((await cancel(owner, body['id'])).status).toBe(204);
    await t.app.get(PromotionsService).promoteAll();
    expect([await positionOf(first, session.id), await positionOf(second, session.id)]).toEqual([1, 2]);
    await patch(resume);
    await expect.poll(() => hasPlace(first, session.id), { timeout: 5_000 }).toBe(true);
    expect(await positionOf(second, session.id)).toBe(1);
  });

  it('answers 409 session_closed once the session has started, since nobody is promoted from then on', async () => {
    const session = await newSession({ days: 1 / 24 });
    expect((await book(await citizen(), session.id)).status).toBe(201);
    await t.dataSource.query('update vaccination_sessions set starts_at = $2 where id = $1', [
      session.id,
      t.clock.date(),
    ]);
    const late = await citizen();
    expect((await join(late, session.id)).body).toMatchObject({ status: 409, code: 'session_closed' });
    expect((await setCapacity(session.id, 2)).status).toBe(200);
    expect((await book(late, session.id)).status).toBe(201);
  });

  it('removes who leaves, and answers 404 to who does not wait', async () => {
    const session = await newSession({ capacity: 0 });
    const someone = await citizen();
    await join(someone, session.id);
    expect((await leave(someone, session.id)).status).toBe(204);
    expect((await leave(someone, session.id)).body).toMatchObject({ status: 404, code: 'waitlist_entry_not_found' });
    await setCapacity(session.id, 1);
    expect((await book(await citizen(), session.id)).status).toBe(201);
  });

  it('20 requests of one person at once make one entry', async () => {
    const session = await newSession({ capacity: 0 });
    const someone = await citizen();
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async () => (await join(someone, session.id)).status),
    );
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, ...Array<number>(19).fill(409)]);
  });

  it('forgets the waitlist of a session that has started', async () => {
    const session = await newSession({ capacity: 0, days: 2 });
    const someone = await citizen();
    await join(someone, session.id);
    await t.dataSource.query('update vaccination_sessions set starts_at = $2 where id = $1', [
      session.id,
      t.clock.date(),
    ]);
    await t.app.get(PromotionsService).removeOutdated();
    expect(await positionOf(someone, session.id)).toBeUndefined();
  });
});

describe('POST /api/vaccination/sessions/:id/cancel', () => {
  it('cancels the session with its appointments and its waitlist, once, by a manager of the centre', async () => {
    const { id: centre_id } = await world.centre();
    const session = await newSession({ centre_id });
    const [owner, waiting] = (await citizens(2)) as [Citizen, Citizen];
    await book(owner, session.id);
    await join(waiting, session.id);
    const path = `/api/vaccination/sessions/${session.id}/cancel` as const;
    const post = (token: string, body: object = { reason: 'The delivery is late.' }) =>
      t.request('POST', path, { token, body });
    expect((await post((await world.staff(centre_id, 'vaccinator')).token)).status).toBe(403);
    const chief = await world.staff(centre_id, 'manager');
    expect((await post(chief.token, { reason: '' })).status).toBe(422);
    expect((await post(chief.token)).body).toMatchObject({
      status: 'cancelled',
      cancellation_reason: 'The delivery is late.',
      available: 1,
    });
    expect((await post(chief.token)).body).toMatchObject({ status: 409, code: 'session_not_changeable' });
    expect(await mine(owner)).toMatchObject([{ status: 'cancelled' }]);
    expect(await positionOf(waiting, session.id)).toBeUndefined();
    expect((await book(waiting, session.id)).body).toMatchObject({ status: 409, code: 'session_cancelled' });
    const audit = await t.request('GET', '/api/audit?action=vaccination_session.cancelled', {
      token: await t.asAdmin(),
    });
    expect(audit.text).toContain(session.id);
  });
});

it('requests with an Idempotency-Key are forgotten after a day', async () => {
  const count = async () =>
    (await t.dataSource.query<[{ count: number }]>('select count(*)::int from vaccination_booking_requests'))[0].count;
  const { user, person } = await citizen();
  const session = await newSession();
  await t.request('POST', '/api/vaccination/appointments', {
    token: user.token,
    headers: { 'idempotency-key': 'one' },
    body: { registration_id: person, session_id: session.id },
  });
  const before = await count();
  t.clock.advance(DAY_MS - 1);
  await t.app.get(BookingRequestsWorker).run();
  expect(await count()).toBe(before);
  t.clock.advance(2);
  await t.app.get(BookingRequestsWorker).run();
  expect(await count()).toBe(0);
});

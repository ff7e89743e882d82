import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADVISORY_LOCKS } from '../../../src/database/advisory-locks.js';
import { OPERATIONS } from '../../fuzz/api-document.js';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { insertPerson } from '../../support/vaccination/bookings.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';

const HOUR_MS = 3_600_000;
const PATH = '/api/vaccination/appointments';

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-17T06:00:00Z'));
  world = await vaccinationWorld(t);
});
afterAll(() => t.stop());

async function citizen(fields?: Parameters<typeof insertPerson>[2]) {
  const user = await t.user();
  return { user, person: await insertPerson(t, user, fields) };
}
const book = (user: SignedInUser, person: string, session: string, headers: Record<string, string> = {}) =>
  t.request('POST', PATH, { token: user.token, headers, body: { registration_id: person, session_id: session } });
const move = (user: SignedInUser, id: string, session: string) =>
  t.request('PATCH', `${PATH}/${id}`, { token: user.token, body: { session_id: session } });
const cancel = (user: SignedInUser, id: string) => t.request('DELETE', `${PATH}/${id}`, { token: user.token });
const bookedOf = async (id: string): Promise<number> => {
  const [row] = await t.dataSource.query<[{ booked: number }]>(
    'select booked from vaccination_sessions where id = $1',
    [id],
  );
  return row.booked;
};

describe('POST /api/vaccination/appointments', () => {
  it('books the next dose, answers 201 with Location, and takes a place', async () => {
    const { user, person } = await citizen();
    const session = await world.session({ capacity: 2 });
    const { status, body, headers } = await book(user, person, session.id);
    expect([status, headers.get('location')]).toEqual([201, `${PATH}/${body.id}`]);
    expect(body).toMatchObject({
      registration_id: person,
      dose: 1,
      status: 'booked',
      moves: 0,
      check_in_code: expect.stringMatching(/^\d{6}$/),
    });
    expect(body.session).toMatchObject({ id: session.id, available: 1 });
    const mine = await t.request('GET', `${PATH}/me`, { token: user.token });
    expect(mine.body.items.map(({ id }: { id: string }) => id)).toEqual([body.id]);
    expect(await bookedOf(session.id)).toBe(1);
  });

  it('answers 409 session_full with at most five sessions that have places, the nearest first', async () => {
    const vaccine = await world.vaccine();
    const near = await world.centre({ latitude: 23.75, longitude: 90.38 });
    const far = await world.centre({ latitude: 22.33, longitude: 91.83 });
    const full = await world.session({ vaccine_id: vaccine.id, capacity: 0 });
    const distant = await world.session({ vaccine_id: vaccine.id, centre_id: far.id });
    const close = await world.session({ vaccine_id: vaccine.id, centre_id: near.id });
    const { user, person } = await citizen();
    const { status, body } = await book(user, person, full.id);
    expect([status, body['code']]).toEqual([409, 'session_full']);
    const { alternatives } = body as unknown as { alternatives: { id: string }[] };
    const ids = alternatives.map(({ id }) => id);
    expect(ids).toEqual([close.id, distant.id]);
  });

  it('offers only alternatives that the person can book: by age, dose and waitlist', async () => {
    const { id: vaccine_id } = await world.vaccine({ min_age_months: 144, max_age_months: 145 });
    const session = (fields: object) => world.session({ vaccine_id, ...fields });
    const full = await session({ capacity: 0 }); // on 2027-01-24
    const [ofDose, ofAny] = [await session({ dose: 1 }), await session({ days: 8 })];
    await session({ dose: 2 });
    await session({ days: 6 }); // the person is too young
    await session({ days: 40 }); // and too old
    const awaited = await session({ capacity: 0 });
    const waiting = await citizen({ date_of_birth: '2015-01-24' });
    await t.request('POST', `/api/vaccination/sessions/${awaited.id}/waitlist`, {
      token: waiting.user.token,
      body: { registration_id: waiting.person },
    });
    const { user, person } = await citizen({ date_of_birth: '2015-01-24' });
    const { body } = await t.dataSource.transaction(async (manager) => {
      // Until the commit, no worker gives the free places to those who wait.
      const lock = 'select pg_advisory_xact_lock($1, hashtext($2))';
      await manager.query(lock, [ADVISORY_LOCKS.waitlist, awaited.id]);
      await t.dataSource.query('update vaccination_sessions set capacity = 5 where id = $1', [awaited.id]);
      return book(user, person, full.id);
    });
    const { alternatives } = body as unknown as { alternatives: object[] };
    expect(alternatives).toMatchObject([{ id: ofDose.id }, { id: ofAny.id }]);
  });

  it.each([
    ['session_not_open_yet', 409, { opens_at: '2027-01-18T06:00:00Z' }, {}],
    ['registration_not_verified', 422, {}, { status: 'pending' }],
    ['too_young', 422, {}, { date_of_birth: '2015-01-25' }],
    ['vaccination_session_not_found', 404, { status: 'draft' }, {}],
    ['dose_out_of_order', 422, { dose: 2 }, {}],
  ])('answers %s with %i', async (code, status, sessionFields, personFields) => {
    const session = await world.session(sessionFields);
    const { user, person } = await citizen(personFields);
    const answer = await book(user, person, session.id);
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
    expect(await bookedOf(session.id)).toBe(0);
  });

  it('books on the birthday from which the vaccine is given, and names the day before it', async () => {
    const session = await world.session(); // on 2027-01-24 in Dhaka; from 12 years on
    const { user, person } = await citizen({ date_of_birth: '2015-01-24' });
    expect((await book(user, person, session.id)).status).toBe(201);
    const young = await citizen({ date_of_birth: '2015-01-25' });
    const refused = await book(young.user, young.person, session.id);
    expect(refused.body).toMatchObject({ code: 'too_young', earliest_day: '2027-01-25', next_dose: 1 });
  });

  it('refuses a closed session, a second appointment against the disease, and people of other accounts', async () => {
    const { user, person } = await citizen();
    const [first, second] = [await world.session(), await world.session()];
    expect((await book(user, person, first.id)).status).toBe(201);
    expect((await book(user, person, second.id)).body['code']).toBe('already_booked');
    const stranger = await citizen();
    expect((await book(stranger.user, person, second.id)).body['code']).toBe('registration_not_found');
    await t.request('POST', `/api/vaccination/sessions/${second.id}/close`, { token: world.manager.token });
    expect((await book(stranger.user, stranger.person, second.id)).body['code']).toBe('session_closed');
  });

  it('refuses bookings, moves and the waitlist of a session whose centre is closed, and keeps its appointments', async () => {
    const { id: vaccine_id } = await world.vaccine();
    const { id: centre_id } = await world.centre();
    const [session, other] = [await world.session({ vaccine_id, centre_id }), await world.session({ vaccine_id })];
    const [guest, mover, late] = [await citizen(), await citizen(), await citizen()];
    expect((await book(guest.user, guest.person, session.id)).status).toBe(201);
    const { body } = await book(mover.user, mover.person, other.id);
    const centre = `/api/vaccination/centres/${centre_id}` as const;
    await t.request('PATCH', centre, { token: world.manager.token, body: { status: 'closed' } });
    expect((await book(late.user, late.person, session.id)).body['code']).toBe('session_closed');
    expect((await move(mover.user, body.id, session.id)).body['code']).toBe('session_closed');
    const waitlist = `/api/vaccination/sessions/${session.id}/waitlist` as const;
    const entry = { token: late.user.token, body: { registration_id: late.person } };
    expect((await t.request('POST', waitlist, entry)).body['code']).toBe('session_closed');
    expect(await bookedOf(session.id)).toBe(1);
    await t.request('PATCH', centre, { token: world.manager.token, body: { status: 'active' } });
    expect((await book(late.user, late.person, session.id)).status).toBe(201);
  });

  it('answers a repeated request with the same appointment, and 422 for another body with the same key', async () => {
    const { user, person } = await citizen();
    const [session, other] = [await world.session({ capacity: 1 }), await world.session()];
    const key = { 'idempotency-key': randomUUID() };
    const answers = await Promise.all(Array.from({ length: 10 }, () => book(user, person, session.id, key)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
    expect((await book(user, person, session.id, key)).body.id).toBe(answers[0]!.body.id);
    expect((await book(user, person, other.id, key)).body['code']).toBe('idempotency_key_reused');
    const stranger = await citizen();
    expect((await book(stranger.user, stranger.person, other.id, key)).status).toBe(201);
    for (const wrong of ['x'.repeat(256), 'a b', 'a, a', 'é']) {
      expect((await book(user, person, other.id, { 'idempotency-key': wrong })).status).toBe(422);
    }
  });

  it('answers a repeated request with the appointment in its present state, and other routes ignore the key', async () => {
    const { user, person } = await citizen();
    const vaccine = await world.vaccine({ disease: '6142004' });
    const make = () => world.session({ vaccine_id: vaccine.id });
    const [first, second] = [await make(), await make()];
    const headers = { 'idempotency-key': randomUUID() };
    const { body } = await book(user, person, first.id, headers);
    const path = `/api/vaccination/appointments/${body.id}`;
    const moveTo = (session_id: string) =>
      t.request('PATCH', path, { token: user.token, headers, body: { session_id } });
    expect([(await moveTo(second.id)).status, (await moveTo(first.id)).status]).toEqual([200, 200]);
    expect((await t.request('DELETE', path, { token: user.token, headers })).status).toBe(204);
    expect((await book(user, person, first.id, headers)).body).toMatchObject({ id: body.id, status: 'cancelled' });
    expect((await book(user, person, first.id)).status).toBe(201);
    const gone = `/api/vaccination/registrations/${person}`;
    expect((await t.request('DELETE', gone, { token: user.token })).status).toBe(200);
    const { body: refused } = await book(user, person, first.id, headers);
    expect(refused).toMatchObject({ status: 404, code: 'appointment_not_found' });
    const { responses } = OPERATIONS.find(({ name }) => name === 'POST /api/vaccination/appointments')!;
    expect(responses['404']?.content?.['application/problem+json']?.examples).toHaveProperty('appointment_not_found');
  });
});

describe('PATCH and DELETE /api/vaccination/appointments/{id}', () => {
  it('move the place, keep the old one if the new session is full, and allow three moves', async () => {
    const vaccine = await world.vaccine();
    const make = (capacity: number) => world.session({ vaccine_id: vaccine.id, capacity });
    const [one, two, full] = [await make(5), await make(5), await make(0)];
    const { user, person } = await citizen();
    const { body } = await book(user, person, one.id);
    expect((await move(user, body.id, full.id)).body).toMatchObject({ status: 409, code: 'session_full' });
    expect([await bookedOf(one.id), await bookedOf(full.id)]).toEqual([1, 0]);
    expect((await move(user, body.id, two.id)).body).toMatchObject({ moves: 1, session: { id: two.id } });
    expect([await bookedOf(one.id), await bookedOf(two.id)]).toEqual([0, 1]);
    expect((await move(user, body.id, two.id)).status).toBe(422);
    const twice = await Promise.all([move(user, body.id, one.id), move(user, body.id, one.id)]);
    expect(twice.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 422]); // the same request twice moves once
    expect((await move(user, body.id, two.id)).body).toMatchObject({ moves: 3, session: { id: two.id } });
    expect((await move(user, body.id, one.id)).body['code']).toBe('too_many_moves');
  });

  it('cancel until two hours before the session, once, and free the place', async () => {
    const session = await world.session({ capacity: 2 });
    const [first, second] = [await citizen(), await citizen()];
    const { body } = await book(first.user, first.person, session.id);
    const late = (await book(second.user, second.person, session.id)).body;
    const stranger = await t.user();
    expect((await cancel(stranger, body.id)).status).toBe(404);
    expect((await move(stranger, body.id, session.id)).status).toBe(404);
    expect((await cancel(first.user, body.id)).status).toBe(204);
    expect((await cancel(first.user, body.id)).body['code']).toBe('appointment_not_changeable');
    expect(await bookedOf(session.id)).toBe(1);
    const before = t.clock.now();
    t.clock.set(Date.parse(session.starts_at) - 2 * HOUR_MS);
    const token = await t.signIn(second.user.username, second.user.password);
    expect((await cancel({ ...second.user, token }, late.id)).body['code']).toBe('too_late_to_change');
    t.clock.set(before);
  });
});

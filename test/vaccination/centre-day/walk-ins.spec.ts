import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let registrar: SignedInUser;
const TEN = Date.parse('2027-01-18T04:00:00Z');
beforeAll(async () => {
  t = await startApp();
  t.clock.set(TEN); // 10:00 in Dhaka
  day = await vaccinationDay(t);
  registrar = await day.staff(day.centreId, 'registrar');
});
afterAll(() => t.stop());

const walkIn = (sessionId: string, registration_id: string, { token } = registrar) =>
  t.request('POST', `/api/vaccination/sessions/${sessionId}/walk-ins`, { token, body: { registration_id } });

const visitor = async (fields: Parameters<typeof day.person>[1] = {}) => day.person(await t.user(), fields);

const counters = async (sessionId: string): Promise<number[]> => {
  const [row] = await t.dataSource.query(
    `select booked, walk_ins, (
       select count(*)::int from vaccination_appointments a
       where a.session_id = s.id and a.is_walk_in and a.status = 'checked_in'
     ) as rows from vaccination_sessions s where id = $1`,
    [sessionId],
  );
  return [row.booked, row.walk_ins, row.rows];
};

describe('POST /api/vaccination/sessions/:id/walk-ins', () => {
  it('gives a verified person a place for walk-ins, checks the person in, and audits it', async () => {
    const { id: sessionId } = await day.session({ capacity: 0 });
    const registrationId = await visitor();
    const { status, body } = await walkIn(sessionId, registrationId);
    expect([status, body]).toEqual([
      201,
      {
        id: expect.any(String),
        session_id: sessionId,
        registration_id: registrationId,
        dose: 1,
        status: 'checked_in',
        is_walk_in: true,
        checked_in_at: new Date(TEN).toISOString(),
      },
    ]);
    expect(await counters(sessionId)).toEqual([0, 1, 1]);
    const events = await t.dataSource.query(
      `select actor_id, details from audit_events where action = 'vaccination_appointment.walked_in' and subject_id = $1`,
      [body.id],
    );
    expect(events).toEqual([
      { actor_id: registrar.id, details: { registration_id: registrationId, session_id: sessionId } },
    ]);
  });

  it('answers 409 already_booked for the same person again, and for one who has booked a place', async () => {
    const { id: sessionId } = await day.session();
    const registrationId = await visitor();
    await walkIn(sessionId, registrationId);
    const { registrationId: booked } = await day.visitor({ status: 'booked' });
    for (const id of [registrationId, booked]) {
      expect((await walkIn(sessionId, id)).body).toMatchObject({ status: 409, code: 'already_booked' });
    }
    expect(await counters(sessionId)).toEqual([0, 1, 1]);
  });

  it('answers 409 walk_ins_full when the places for walk-ins are taken, although places for bookings are free', async () => {
    const { id: sessionId } = await day.session({ capacity: 10, walk_in_capacity: 0 });
    expect((await walkIn(sessionId, await visitor())).body).toMatchObject({ status: 409, code: 'walk_ins_full' });
    expect(await counters(sessionId)).toEqual([0, 0, 0]);
  });

  it('admits walk-ins once the bookings are closed, on the day of the session only', async () => {
    const { id: sessionId } = await day.session();
    const path = `/api/vaccination/sessions/${sessionId}/close` as const;
    await t.request('POST', path, { token: day.manager.token });
    expect((await walkIn(sessionId, await visitor())).status).toBe(201);
    // From 23:59 in Dhaka to 00:30.
    const times = { starts_at: '2027-01-19T17:59:00Z', ends_at: '2027-01-19T18:30:00Z' };
    const { id: tomorrow } = await day.session(times);
    const registrationId = await visitor();
    for (const [time, code] of [
      ['2027-01-18T17:59:59Z', 'not_session_day'],
      ['2027-01-20T18:00:00Z', 'not_session_day'],
      ['2027-01-18T18:00:00Z', undefined],
    ] as const) {
      t.clock.set(Date.parse(time));
      const token = await t.signIn(registrar.username, registrar.password);
      expect([time, (await walkIn(tomorrow, registrationId, { ...registrar, token })).body.code]).toEqual([time, code]);
    }
    t.clock.set(TEN);
  });

  it('answers 409 session_cancelled and 404 for sessions that were cancelled or never opened', async () => {
    const { id: cancelled } = await day.session();
    const path = `/api/vaccination/sessions/${cancelled}/cancel` as const;
    await t.request('POST', path, { token: day.manager.token, body: { reason: 'The delivery is late.' } });
    const { id: draft } = await day.session({ status: 'draft' });
    const registrationId = await visitor();
    expect((await walkIn(cancelled, registrationId)).body.code).toBe('session_cancelled');
    expect((await walkIn(draft, registrationId)).body.code).toBe('vaccination_session_not_found');
    expect((await walkIn(uuidv7(), registrationId)).body.code).toBe('vaccination_session_not_found');
  });

  it.each([
    ['a registration that is not verified', { status: 'pending' }, {}, 'registration_not_verified'],
    ['a person without a date of birth', { date_of_birth: null }, {}, 'registration_incomplete'],
    ['a person who is a day too young', { date_of_birth: '2015-01-19' }, {}, 'too_young'], // from 12 years
    ['a dose that is not the next one', {}, { dose: 2 }, 'dose_out_of_order'],
  ] as const)('answers 422 for %s', async (_, person, session, code) => {
    const { id: sessionId } = await day.session(session);
    expect((await walkIn(sessionId, await visitor(person))).body).toMatchObject({ status: 422, code });
    expect(await counters(sessionId)).toEqual([0, 0, 0]);
  });

  it('admits a person on the birthday from which the vaccine is given', async () => {
    const { id: sessionId } = await day.session();
    expect((await walkIn(sessionId, await visitor({ date_of_birth: '2015-01-18' }))).status).toBe(201);
  });

  it('answers 404 for an unknown person and for one who has deleted the account', async () => {
    const { id: sessionId } = await day.session();
    const gone = await day.person(null, { status: 'withdrawn' });
    for (const id of [uuidv7(), gone]) {
      expect((await walkIn(sessionId, id)).body.code).toBe('registration_not_found');
    }
    const { body } = await t.request('POST', `/api/vaccination/sessions/${sessionId}/walk-ins`, {
      token: registrar.token,
      body: { registration_id: 'x', dose: 2 },
    });
    expect(body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it('is for the staff of the centre in person, not for other centres, owners and manage_vaccines', async () => {
    const { id: sessionId } = await day.session();
    const owner = await t.user();
    const registrationId = await day.person(owner);
    const stranger = await day.staff((await day.centre()).id, 'manager');
    for (const caller of [stranger, owner, day.manager]) {
      expect((await walkIn(sessionId, registrationId, caller)).body.code).toBe('forbidden');
    }
    for (const role of ['vaccinator', 'manager'] as const) {
      const member = await day.staff(day.centreId, role);
      expect((await walkIn(sessionId, await visitor(), member)).status).toBe(201);
    }
  });

  it('gives three places to 3 of 20 people at once, and one place to a person who asks 20 times', async () => {
    const { id: sessionId } = await day.session({ walk_in_capacity: 3 });
    const owners = await Promise.all(Array.from({ length: 4 }, () => t.user()));
    const people = await Promise.all(
      owners.flatMap((owner) => [0, 1, 2, 3, 4].map((place) => day.person(owner, { place }))),
    );
    await t.warmUp();
    const answers = await Promise.all(people.map((id) => walkIn(sessionId, id)));
    expect(answers.map(({ body }) => body.code ?? 'ok').toSorted()).toEqual([
      ...Array<string>(3).fill('ok'),
      ...Array<string>(17).fill('walk_ins_full'),
    ]);
    expect(await counters(sessionId)).toEqual([0, 3, 3]);

    const { id: other } = await day.session({ walk_in_capacity: 20 });
    const lucky = people[answers.findIndex(({ status }) => status === 409)]!;
    const repeated = await Promise.all(Array.from({ length: 20 }, () => walkIn(other, lucky)));
    expect(repeated.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(await counters(other)).toEqual([0, 1, 1]);
  });
});

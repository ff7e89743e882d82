import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { nationalId, person, vaccinationWorld } from '../support/vaccination.js';

const PATH = '/api/vaccination/registrations';

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let verifier: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  world = await vaccinationWorld(t);
  verifier = await t.user('verify_registrations');
});
afterAll(() => t.stop());

/** A verified person with a booked appointment, and with a dose and its certificate if asked for. */
async function withRecords({ dose }: { dose: boolean }) {
  const id_number = nationalId();
  const registration = await world.registration({ id_number });
  const vaccine = await world.vaccine();
  const session = await world.session({ vaccine_id: vaccine.id });
  const [given, booked] = [uuidv7(), uuidv7()];
  const insert = `insert into vaccination_appointments
    (id, registration_id, session_id, disease, dose, status, created_at, updated_at)
    values ($1, $2, $3, '840539006', $4, $5, now(), now())`;
  if (dose) await t.dataSource.query(insert, [given, registration.id, session.id, 1, 'fulfilled']);
  await t.dataSource.query(insert, [booked, registration.id, session.id, 2, 'booked']);
  if (dose) await addDose(registration.id, given, session.centre.id, vaccine.id);
  return { ...registration, session, id_number };
}

async function addDose(registrationId: string, appointmentId: string, centreId: string, vaccineId: string) {
  const [lot, dose] = [uuidv7(), uuidv7()];
  await t.dataSource.query(
    `insert into vaccine_lots (id, centre_id, vaccine_id, number, expires_on, received, used, created_at, updated_at)
      values ($1, $2, $3, 'L-2041', '2030-01-01', 10, 1, now(), now())`,
    [lot, centreId, vaccineId],
  );
  await t.dataSource.query(
    `insert into vaccination_doses (id, registration_id, appointment_id, centre_id, vaccine_id, lot_id, disease, dose,
      status, site, route, given_at, created_at)
      values ($1, $2, $3, $4, $5, $6, '840539006', 1, 'completed', 'left arm', 'intramuscular', now(), now())`,
    [dose, registrationId, appointmentId, centreId, vaccineId, lot],
  );
  await t.dataSource.query(
    `insert into vaccination_certificates (id, dose_id, uvci, rid, hcert, shc, hcert_kid, shc_kid, issued_at, expires_at)
      values ($1, $2, $3, md5($3), 'HC1:', 'shc:/', 'k', 'k', now(), now() + interval '1 year')`,
    [uuidv7(), dose, `URN:UVCI:01:BD:${dose}`],
  );
}

const rowsOf = (table: string, column: string, id: string) =>
  t.dataSource.query<Record<string, unknown>[]>(`select * from ${table} where ${column} = $1`, [id]);

const bookedOf = async (sessionId: string) => (await rowsOf('vaccination_sessions', 'id', sessionId))[0]!['booked'];

describe('GET /api/vaccination/registrations/{id}/export', () => {
  it('returns appointments, doses, certificates and reads of the record, with the masked id number', async () => {
    const { id, owner, id_number } = await withRecords({ dose: true });
    await t.request('GET', `${PATH}/${id}?reason=Checks%20the%20document`, { token: verifier.token });
    const { status, body, text } = await t.request('GET', `${PATH}/${id}/export`, { token: owner.token });
    expect(status).toBe(200);
    expect(body.registration).toMatchObject({ id, id_number: `*******${id_number.slice(-4)}` });
    expect(body.appointments.map((each) => [each.dose, each.status])).toEqual([
      [1, 'fulfilled'],
      [2, 'booked'],
    ]);
    expect(body.doses).toMatchObject([{ dose: 1, centre: 'Test Centre', vaccine: 'Testvax', site: 'left arm' }]);
    expect(body.certificates).toMatchObject([{ uvci: expect.stringContaining('URN:UVCI'), revoked_at: null }]);
    expect(body.audit_events).toMatchObject([
      { action: 'registration.viewed', actor_id: verifier.id, reason: 'Checks the document' },
      { action: 'registration.verified' },
      { action: 'registration.created', actor_id: owner.id },
    ]);
    expect(text).not.toContain(id_number);
  });

  it('answers 404 to every other user, to the staff too', async () => {
    const { id } = await world.registration();
    for (const { token } of [await t.user(), verifier, world.manager]) {
      expect((await t.request('GET', `${PATH}/${id}/export`, { token })).body.code).toBe('registration_not_found');
      expect((await t.request('DELETE', `${PATH}/${id}`, { token })).body.code).toBe('registration_not_found');
    }
  });
});

describe('DELETE /api/vaccination/registrations/{id}', () => {
  it('deletes a person without doses, frees the booked place, and the id can be registered again', async () => {
    const { id, owner, session, id_number } = await withRecords({ dose: false });
    expect(await bookedOf(session.id)).toBe(1);
    const { status, body } = await t.request('DELETE', `${PATH}/${id}`, { token: owner.token });
    expect([status, body]).toEqual([200, { kept: [] }]);
    expect(await rowsOf('vaccination_registrations', 'id', id)).toEqual([]);
    expect(await rowsOf('vaccination_appointments', 'registration_id', id)).toEqual([]);
    expect(await bookedOf(session.id)).toBe(0);
    const again = await t.request('POST', PATH, { token: owner.token, body: person({ id_number }) });
    expect(again.status).toBe(201);
  });

  it('keeps the record of a dose with the person who got it, without phone number and account', async () => {
    const { id, owner, session, id_number } = await withRecords({ dose: true });
    const { body } = await t.request('DELETE', `${PATH}/${id}`, { token: owner.token });
    expect(body).toEqual({ kept: ['doses'] });
    expect(await rowsOf('vaccination_registrations', 'id', id)).toMatchObject([
      { user_id: null, phone: null, status: 'withdrawn', legal_name: 'Test Person' },
    ]);
    expect(await rowsOf('vaccination_doses', 'registration_id', id)).toHaveLength(1);
    expect(await rowsOf('vaccination_appointments', 'registration_id', id)).toMatchObject([{ status: 'fulfilled' }]);
    expect(await bookedOf(session.id)).toBe(1); // the fulfilled one
    expect((await t.request('GET', `${PATH}/${id}`, { token: owner.token })).status).toBe(404);
    const again = await t.request('POST', PATH, { token: owner.token, body: person({ id_number }) });
    expect(again.body.code).toBe('person_registered');
  });
});

it('DELETE /api/users/me deletes the registrations of the account in the same way', async () => {
  const vaccinated = await withRecords({ dose: true });
  const { owner } = vaccinated;
  const dependant = await world.registration({ owner, is_dependant: true });
  const body = { password: PASSWORD };
  const { status } = await t.request('DELETE', '/api/users/me', { token: owner.token, body });
  expect(status).toBe(204);
  expect(await rowsOf('vaccination_registrations', 'id', dependant.id)).toEqual([]);
  expect(await rowsOf('vaccination_registrations', 'id', vaccinated.id)).toMatchObject([
    { user_id: null, phone: null, status: 'withdrawn' },
  ]);
  expect(await bookedOf(vaccinated.session.id)).toBe(1);
});

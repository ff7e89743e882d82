import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { nationalId, person, vaccinationWorld } from '../../support/vaccination/vaccination.js';

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
  return { ...registration, session, id_number, vaccine_id: vaccine.id };
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

/** The parts of an export, with the columns that they have in another form, or must not have. */
const EXPORTED: Record<string, { table: string; without: string[] }> = {
  registration: {
    table: 'vaccination_registrations',
    without: ['user_id', 'place', 'id_hash', 'id_last4', 'decided_by'], // the audit events name who decided
  },
  appointments: { table: 'vaccination_appointments', without: ['registration_id'] },
  waitlist_entries: { table: 'vaccination_waitlist_entries', without: ['id', 'registration_id'] },
  doses: {
    table: 'vaccination_doses',
    without: ['registration_id', 'centre_id', 'vaccine_id', 'lot_id', 'is_stock_returned'], // by their names
  },
  adverse_events: { table: 'vaccination_adverse_events', without: ['centre_id'] },
  certificates: { table: 'vaccination_certificates', without: [] },
};

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

  it('has every column of the tables about a person, but for those that are hidden or shown in another form', async () => {
    const { id, owner, session } = await withRecords({ dose: true });
    const [dose] = await rowsOf('vaccination_doses', 'registration_id', id);
    await t.dataSource.query(
      `insert into vaccination_adverse_events (id, dose_id, centre_id, code, severity, is_serious, onset_at, status, created_at)
        values ($1, $2, $3, 'fever', 'mild', false, now(), 'recorded', now())`,
      [uuidv7(), dose!['id'], dose!['centre_id']],
    );
    await t.dataSource.query(
      'insert into vaccination_waitlist_entries (session_id, registration_id, created_at) values ($1, $2, now())',
      [session.id, id],
    );
    const { body } = await t.request('GET', `${PATH}/${id}/export`, { token: owner.token });
    const parts = { ...body, registration: [body.registration] } as unknown as Record<string, object[]>;
    for (const [part, { table, without }] of Object.entries(EXPORTED)) {
      const sql = 'select column_name from information_schema.columns where table_name = $1';
      const columns = await t.dataSource.query<{ column_name: string }[]>(sql, [table]);
      const expected = columns.map(({ column_name }) => column_name).filter((name) => !without.includes(name));
      expect([part, Object.keys(parts[part]![0]!)]).toEqual([part, expect.arrayContaining(expected)]);
    }
  });

  it('names who acted on the appointments, doses and certificates, when and why', async () => {
    const { id, owner } = await withRecords({ dose: true });
    const [appointment] = await rowsOf('vaccination_appointments', 'registration_id', id);
    await t.dataSource.query(
      `insert into audit_events (at, action, succeeded, actor_id, subject_id, details)
        values (now(), 'vaccination_appointment.checked_in', true, $1, $2, '{"override_reason": "No phone."}')`,
      [verifier.id, appointment!['id']],
    );
    const { body } = await t.request('GET', `${PATH}/${id}/export`, { token: owner.token });
    expect(body.audit_events[0]).toMatchObject({
      action: 'vaccination_appointment.checked_in',
      actor_id: verifier.id,
      subject_id: appointment!['id'],
      reason: 'No phone.',
    });
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
    const { id, owner, session } = await withRecords({ dose: true });
    const { body } = await t.request('DELETE', `${PATH}/${id}`, { token: owner.token });
    expect(body).toEqual({ kept: ['doses'] });
    expect(await rowsOf('vaccination_registrations', 'id', id)).toMatchObject([
      { user_id: null, phone: null, status: 'withdrawn', legal_name: 'Test Person' },
    ]);
    expect(await rowsOf('vaccination_doses', 'registration_id', id)).toHaveLength(1);
    expect(await rowsOf('vaccination_appointments', 'registration_id', id)).toMatchObject([{ status: 'fulfilled' }]);
    expect(await bookedOf(session.id)).toBe(1); // the fulfilled one
    expect((await t.request('GET', `${PATH}/${id}`, { token: owner.token })).status).toBe(404);
  });
});

describe('A person who registers again after the deletion', () => {
  /** A kept record of a dose, and a new registration of another account with the same id number. */
  async function returned() {
    const former = await withRecords({ dose: true });
    await t.request('DELETE', `${PATH}/${former.id}`, { token: former.owner.token });
    const owner = await t.user();
    const body = person({ id_number: former.id_number, legal_name: 'Test Person Again' });
    const { status, body: registration } = await t.request('POST', PATH, { token: owner.token, body });
    expect(status).toBe(201);
    return { former, owner, id: registration.id };
  }

  const dosesOf = async ({ token }: SignedInUser): Promise<number[]> =>
    (await t.request('GET', '/api/vaccination/doses/me', { token })).body.items.map(({ dose }) => dose);

  it('gets the kept doses and certificates once the staff has verified the document, and continues with dose 2', async () => {
    const { former, owner, id } = await returned();
    expect(await dosesOf(owner)).toEqual([]);
    const { token } = verifier;
    expect((await t.request('POST', `${PATH}/${id}/verify`, { token })).body.status).toBe('verified');
    expect(await dosesOf(owner)).toEqual([1]);
    const { body } = await t.request('GET', `${PATH}/${id}/export`, { token: owner.token });
    expect([body.appointments.length, body.doses.length, body.certificates.length]).toEqual([1, 1, 1]);
    expect(await rowsOf('vaccination_registrations', 'id', former.id)).toEqual([]);
    expect(await bookedOf(former.session.id)).toBe(1);
    const path = `${PATH}/${id}/eligibility?vaccine=${former.vaccine_id}` as `${typeof PATH}/{id}/eligibility`;
    const eligibility = await t.request('GET', path, { token: owner.token });
    expect(eligibility.body.items).toMatchObject([{ next_dose: 2 }]);
    const [event] = await t.dataSource.query(
      `select details from audit_events where action = 'registration.verified' and subject_id = $1`,
      [id],
    );
    expect(event.details).toEqual({ former_registration_id: former.id });
  });

  it('gets nothing when the staff rejects the document, and the record stays', async () => {
    const { former, owner, id } = await returned();
    const reject = { token: verifier.token, body: { reason: 'Another person is on the document.' } };
    await t.request('POST', `${PATH}/${id}/reject`, reject);
    expect(await dosesOf(owner)).toEqual([]);
    expect(await rowsOf('vaccination_doses', 'registration_id', former.id)).toHaveLength(1);
    const other = await t.user();
    const again = person({ id_number: former.id_number });
    expect((await t.request('POST', PATH, { token: other.token, body: again })).status).toBe(201);
    const second = await t.request('POST', PATH, { token: (await t.user()).token, body: again });
    expect(second.body.code).toBe('person_registered');
  });

  it('can be deleted again before and after the verification, and the doses are kept', async () => {
    const { former, owner, id } = await returned();
    expect((await t.request('DELETE', `${PATH}/${id}`, { token: owner.token })).body).toEqual({ kept: [] });
    expect(await rowsOf('vaccination_doses', 'registration_id', former.id)).toHaveLength(1);
    const body = person({ id_number: former.id_number });
    const { body: again } = await t.request('POST', PATH, { token: owner.token, body });
    await t.request('POST', `${PATH}/${again.id}/verify`, { token: verifier.token });
    expect((await t.request('DELETE', `${PATH}/${again.id}`, { token: owner.token })).body).toEqual({
      kept: ['doses'],
    });
    expect(await rowsOf('vaccination_doses', 'registration_id', again.id)).toHaveLength(1);
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

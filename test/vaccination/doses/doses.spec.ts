import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let vaccinator: SignedInUser;
let chief: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(TEN); // 10:00 in Dhaka
  day = await vaccinationDay(t);
  [vaccinator, chief] = [await day.staff(day.centreId, 'vaccinator'), await day.staff(day.centreId, 'manager')];
});
afterAll(() => t.stop());

const TEN = Date.parse('2027-01-18T04:00:00Z');

/** Runs with the clock at another time, at which the user signs in anew. */
async function at(time: string, user: SignedInUser, work: (user: SignedInUser) => Promise<void>): Promise<void> {
  t.clock.set(Date.parse(time));
  try {
    await work({ ...user, token: await t.signIn(user.username, user.password) });
  } finally {
    t.clock.set(TEN);
  }
}

const record = (body: object, { token } = vaccinator) => t.request('POST', '/api/vaccination/doses', { token, body });

const inError = (id: string, body: object, { token } = chief) =>
  t.request('POST', `/api/vaccination/doses/${id}/entered-in-error`, { token, body });

const usedOf = async (lotId: string): Promise<number> =>
  (await t.dataSource.query('select used from vaccine_lots where id = $1', [lotId]))[0].used;

const statusOf = async (appointmentId: string): Promise<string> =>
  (await t.dataSource.query('select status from vaccination_appointments where id = $1', [appointmentId]))[0].status;

describe('POST /api/vaccination/doses', () => {
  it('records a dose, takes it out of the stock and fulfils the appointment', async () => {
    const { appointmentId, registrationId, owner } = await day.visitor();
    const lot = await day.lot();
    const body = { appointment_id: appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' };
    const answer = await record({ ...body, given_at: '2027-01-18T09:45:00+06:00' });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      registration_id: registrationId,
      appointment_id: appointmentId,
      centre_id: day.centreId,
      vaccine_id: day.vaccineId,
      lot_id: lot.id,
      lot_number: lot.number,
      disease: '840539006',
      dose: 1,
      status: 'completed',
      vaccinator_id: vaccinator.id,
      site: 'LA',
      route: 'IM',
      given_at: '2027-01-18T03:45:00.000Z',
      error_at: null,
    });
    expect(answer.headers.get('location')).toBe(`/api/vaccination/doses/${answer.body.id}`);
    expect([await usedOf(lot.id), await statusOf(appointmentId)]).toEqual([1, 'fulfilled']);
    const own = await t.request('GET', '/api/vaccination/doses/me', { token: owner.token });
    expect(own.body.items).toEqual([answer.body]);
  });

  it('needs a person who checked in', async () => {
    const { appointmentId } = await day.visitor({ status: 'booked' });
    const lot = await day.lot();
    const answer = await record({ appointment_id: appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' });
    expect([answer.status, answer.body.code]).toEqual([409, 'appointment_not_checked_in']);
    expect(await usedOf(lot.id)).toBe(0);
  });

  it.each([
    ['is expired since the day before', () => day.lot({ expires_on: '2027-01-17' }), 'lot_expired'],
    ['has no dose left', () => day.lot({ received: 0 }), 'lot_out_of_stock'],
    ['is of another vaccine', async () => day.lot({ vaccine_id: (await day.vaccine()).id }), 'lot_of_other_vaccine'],
    ['is at another centre', async () => day.lot({ centre_id: (await day.centre()).id }), 'lot_not_found'],
    ['is recalled', () => day.lot({}, { isRecalled: true }), 'lot_recalled'],
  ])('refuses a lot that %s, and changes nothing', async (_, makeLot, code) => {
    const { appointmentId } = await day.visitor();
    const { id } = await makeLot();
    const answer = await record({ appointment_id: appointmentId, lot_id: id, site: 'LA', route: 'IM' });
    expect(answer.body.code).toBe(code);
    expect([await usedOf(id), await statusOf(appointmentId)]).toEqual([0, 'checked_in']);
  });

  it('accepts a lot until midnight of its last day, in the time zone of the centre', async () => {
    const lot = await day.lot({ expires_on: '2027-01-18' });
    const late = await day.visitor({ starts_at: '2027-01-18T16:00:00Z', ends_at: '2027-01-18T19:00:00Z' });
    const body = { appointment_id: late.appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' };
    await at('2027-01-18T18:00:00Z', vaccinator, async (caller) => {
      expect((await record(body, caller)).body.code).toBe('lot_expired'); // midnight in Dhaka
      expect((await record({ ...body, given_at: '2027-01-18T17:59:00Z' }, caller)).status).toBe(201);
    });
  });

  it.each([
    [{ given_at: '2027-01-17T17:59:00Z' }, 'given_at'], // the day before, in Dhaka
    [{ given_at: '2027-01-18T04:01:00Z' }, 'given_at'], // in the future
    [{ given_at: null }, 'given_at'],
    [{ site: null }, 'site'],
    [{ site: 'XX' }, 'site'],
    [{ site: 'LA', route: 'PO' }, 'site'],
    [{ route: 'im' }, 'route'],
    [{ route: undefined }, 'route'],
    [{ appointment_id: 'x' }, 'appointment_id'],
    [{ vaccinator_id: '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42' }, 'vaccinator_id'],
  ])('answers 422 for %j and names the field', async (fields, path) => {
    const { appointmentId } = await day.visitor();
    const lot = await day.lot();
    const answer = await record({ appointment_id: appointmentId, lot_id: lot.id, site: 'LA', route: 'IM', ...fields });
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect(answer.body.errors?.map((error) => error.path)).toContain(path);
  });

  it('records an oral vaccine without a site', async () => {
    const { appointmentId } = await day.visitor();
    const lot = await day.lot();
    const answer = await record({ appointment_id: appointmentId, lot_id: lot.id, route: 'PO' });
    expect(answer.body).toMatchObject({ site: null, route: 'PO' });
  });

  it('is for vaccinators and managers of the centre in person', async () => {
    const { appointmentId, owner } = await day.visitor();
    const lot = await day.lot();
    const body = { appointment_id: appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' };
    const registrar = await day.staff(day.centreId, 'registrar');
    const stranger = await day.staff((await day.centre()).id, 'vaccinator');
    for (const caller of [registrar, stranger, owner, day.manager]) {
      expect((await record(body, caller)).body.code).toBe('forbidden');
    }
    expect((await record(body, chief)).body.vaccinator_id).toBe(chief.id);
  });

  it('records the second dose only after the first one', async () => {
    const { appointmentId, registrationId } = await day.visitor({ dose: 2 });
    const lot = await day.lot();
    const body = { appointment_id: appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' };
    expect((await record(body)).body.code).toBe('previous_dose_missing');
    expect([await usedOf(lot.id), await statusOf(appointmentId)]).toEqual([0, 'checked_in']);
    const first = await day.visitor({ registrationId });
    const { body: dose } = await record({ ...body, appointment_id: first.appointmentId });
    await givenAt(dose.id, '2026-12-21T04:00:00Z');
    expect((await record(body)).body.dose).toBe(2);
  });

  const givenAt = (doseId: string, time: string) =>
    t.dataSource.query('update vaccination_doses set given_at = $2 where id = $1', [doseId, time]);

  // The interval is 28 days, with 4 days of grace. In Dhaka, 25 December ends at 18:00 UTC.
  it.each([
    ['on the day of the interval', '2026-12-21T04:00:00Z', null],
    ['on the first day of grace', '2026-12-25T17:59:59Z', null],
    ['a day before the days of grace', '2026-12-25T18:00:00Z', '2027-01-19'],
    ['on the same day', '2027-01-18T03:00:00Z', '2027-02-11'],
  ])('counts the interval in days of the centre: %s', async (_, firstGivenAt, earliestDay) => {
    const first = await day.visitor();
    const lot = await day.lot();
    const body = { lot_id: lot.id, site: 'LA', route: 'IM' };
    const { body: dose } = await record({ ...body, appointment_id: first.appointmentId });
    await givenAt(dose.id, firstGivenAt);
    const second = await day.visitor({ registrationId: first.registrationId, dose: 2 });
    const answer = await record({ ...body, appointment_id: second.appointmentId });
    if (earliestDay === null) return expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ status: 422, code: 'too_early', next_dose: 2, earliest_day: earliestDay });
    expect([await usedOf(lot.id), await statusOf(second.appointmentId)]).toEqual([1, 'checked_in']);
  });

  it('refuses a person who is a day too young or has reached the age limit', async () => {
    const { id: vaccineId } = await day.vaccine({ min_age_months: 12, max_age_months: 24 });
    const lot = await day.lot({ vaccine_id: vaccineId });
    const { id: sessionId } = await day.session({ vaccine_id: vaccineId });
    for (const [date_of_birth, code, earliest_day] of [
      ['2026-01-19', 'too_young', '2027-01-19'],
      ['2025-01-18', 'too_old', null],
      ['2026-01-18', undefined, undefined],
      ['2025-01-19', undefined, undefined],
    ] as const) {
      const registrationId = await day.person(null, { date_of_birth });
      const { appointmentId } = await day.visitor({ registrationId, sessionId });
      const answer = await record({ appointment_id: appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' });
      const { code: found, earliest_day: earliest } = answer.body as { code?: string; earliest_day?: string | null };
      expect([date_of_birth, found, earliest]).toEqual([date_of_birth, code, earliest_day]);
    }
  });
});

describe('POST /api/vaccination/doses/:id/entered-in-error', () => {
  async function recorded() {
    const visitor = await day.visitor();
    const lot = await day.lot();
    const body = { appointment_id: visitor.appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' };
    return { ...visitor, lot, body, dose: (await record(body)).body };
  }

  it('keeps the record, revokes its certificate, leaves the stock, and lets the dose be recorded again', async () => {
    const { dose, lot, body, appointmentId, owner } = await recorded();
    expect(await day.validCertificates(dose.id)).toBe(1);
    const answer = await inError(dose.id, { reason: 'The site was wrong.' });
    expect(answer.body).toMatchObject({
      id: dose.id,
      status: 'entered_in_error',
      error_reason: 'The site was wrong.',
      error_at: '2027-01-18T04:00:00.000Z',
    });
    expect(await day.validCertificates(dose.id)).toBe(0);
    expect([await usedOf(lot.id), await statusOf(appointmentId)]).toEqual([1, 'checked_in']);
    const again = await record({ ...body, site: 'RA' });
    expect([again.status, await usedOf(lot.id)]).toEqual([201, 2]);
    const own = await t.request('GET', '/api/vaccination/doses/me', { token: owner.token });
    expect(own.body.items.map(({ id, status }) => [id, status])).toEqual([
      [dose.id, 'entered_in_error'],
      [again.body.id, 'completed'],
    ]);
  });

  it('returns the dose to the stock when none was taken from the lot', async () => {
    const { dose, lot } = await recorded();
    await inError(dose.id, { reason: 'Another lot was used.', return_stock: true });
    expect(await usedOf(lot.id)).toBe(0);
  });

  it('keeps the person of a registration that was withdrawn before, until the visit is over', async () => {
    const { dose, owner } = await recorded();
    const path = `/api/vaccination/registrations/${dose.registration_id}`;
    expect((await t.request('POST', `${path}/withdraw`, { token: owner.token })).status).toBe(200);
    expect((await inError(dose.id, { reason: 'Wrong lot.' })).status).toBe(200);
    const change = (body: object) => t.request('PATCH', path, { token: owner.token, body });
    for (const body of [{ id_number: '2612345678977' }, { legal_name: 'Another Person' }]) {
      expect((await change(body)).body).toMatchObject({ status: 409, code: 'registration_in_use' });
    }
    expect((await change({ phone: '01712345679' })).status).toBe(200);
  });

  it('answers 409 for a record that is in error already', async () => {
    const { dose, lot } = await recorded();
    await inError(dose.id, { reason: 'Wrong person.' });
    const again = await inError(dose.id, { reason: 'Wrong person.', return_stock: true });
    expect([again.status, again.body.code, await usedOf(lot.id)]).toEqual([409, 'dose_in_error', 1]);
  });

  it.each([
    {},
    { reason: '' },
    { reason: 'ab' },
    { reason: 'x'.repeat(301) },
    { reason: 'Wrong.', return_stock: 'yes' },
  ])('answers 422 for %j', async (body) => {
    const { dose } = await recorded();
    expect((await inError(dose.id, body)).body).toMatchObject({ status: 422, code: 'validation_failed' });
  });
});

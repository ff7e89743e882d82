import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdverseEvent } from '../../../src/vaccination/adverse-events/adverse-event.entity.js';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';
import { vaccinationRows } from '../../support/vaccination/vaccination-rows.js';

const PATH = '/api/vaccination/adverse-events';
const REASON = 'reason=Weekly%20review';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let vaccinator: SignedInUser;
let registrar: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-18T04:00:30Z'));
  day = await vaccinationDay(t);
  [vaccinator, registrar] = [await day.staff(day.centreId, 'vaccinator'), await day.staff(day.centreId, 'registrar')];
});
afterAll(() => t.stop());

/** A dose that was given just now, at 04:00:30. */
async function dose() {
  const visitor = await day.visitor();
  const { id: lot_id } = await day.lot();
  const body = { appointment_id: visitor.appointmentId, lot_id, site: 'LA', route: 'IM' };
  const answer = await t.request('POST', '/api/vaccination/doses', { token: vaccinator.token, body });
  return { ...visitor, doseId: answer.body.id };
}

const FEVER = { code: 'fever', severity: 'moderate', is_serious: false, onset_at: '2027-01-18T04:00:00Z' };

const record = (dose_id: string, fields: object = {}, { token } = registrar) =>
  t.request('POST', PATH, { token, body: { dose_id, ...FEVER, ...fields } });

const list = (query: string, { token } = registrar) => t.request('GET', `${PATH}?${query}` as typeof PATH, { token });

const inError = (id: string, body: object = { reason: 'Wrong person.' }, { token } = registrar) =>
  t.request('POST', `${PATH}/${id}/entered-in-error` as `${typeof PATH}/{id}/entered-in-error`, { token, body });

const viewsOf = (registrationId: string) =>
  t.dataSource.query<object[]>(
    `select actor_id, details from audit_events where action = 'registration.viewed' and subject_id = $1`,
    [registrationId],
  );

describe('POST /api/vaccination/adverse-events', () => {
  it('records what happened after a dose, and audits it', async () => {
    const { doseId, registrationId } = await dose();
    const { status, body } = await record(doseId, { description: 'In the evening.', is_serious: true });
    expect([status, body]).toEqual([
      201,
      {
        id: expect.any(String),
        dose_id: doseId,
        centre_id: day.centreId,
        ...FEVER,
        is_serious: true,
        onset_at: '2027-01-18T04:00:00.000Z', // in the minute of the dose
        description: 'In the evening.',
        status: 'recorded',
        recorded_by: registrar.id,
        error_at: null,
        error_reason: null,
        created_at: '2027-01-18T04:00:30.000Z',
      },
    ]);
    const [{ details }] = await t.dataSource.query(
      `select details from audit_events where action = 'adverse_event.recorded' and subject_id = $1`,
      [body.id],
    );
    expect(details).toEqual({ registration_id: registrationId, dose_id: doseId, code: 'fever', is_serious: true });
  });

  it.each([
    [{ onset_at: '2027-01-18T03:59:59Z' }, 'onset_at'], // before the dose
    [{ onset_at: '2027-01-18T04:01:00Z' }, 'onset_at'], // in the future
    [{ onset_at: null }, 'onset_at'],
    [{ code: 'unknown' }, 'code'],
    [{ code: 'toString' }, 'code'],
    [{ code: 'other' }, 'description'],
    [{ severity: 'fatal' }, 'severity'],
    [{ is_serious: 'yes' }, 'is_serious'],
    [{ is_serious: undefined }, 'is_serious'],
    [{ description: 'Call 01712 345678' }, 'description'],
    [{ description: 'x'.repeat(1001) }, 'description'],
    [{ dose_id: 'x' }, 'dose_id'],
    [{ recorded_by: uuidv7() }, 'recorded_by'],
  ])('answers 422 for %j and names the field', async (fields, path) => {
    const [{ id }] = await t.dataSource.query('select id from vaccination_doses order by id limit 1');
    const { body } = await record(id, fields);
    expect(body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect(body.errors?.map((error) => error.path)).toContain(path);
  });

  it('records an event once when 20 requests arrive at once', async () => {
    const { doseId } = await dose();
    await t.warmUp();
    const answers = await Promise.all(Array.from({ length: 20 }, () => record(doseId, { code: 'rash' })));
    const refusals: unknown[] = answers.filter(({ status }) => status === 409).map(({ body }) => body.code);
    expect(refusals).toEqual(Array(19).fill('adverse_event_recorded'));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect((await record(doseId, { code: 'headache' })).status).toBe(201);
  });

  it('answers 409 dose_in_error for a wrong record of a dose, and 404 for an unknown one', async () => {
    const { doseId } = await dose();
    const path = `/api/vaccination/doses/${doseId}/entered-in-error` as const;
    await t.request('POST', path, { token: vaccinator.token, body: { reason: 'Wrong person.' } });
    expect((await record(doseId)).body).toMatchObject({ status: 409, code: 'dose_in_error' });
    expect((await record(uuidv7())).body).toMatchObject({ status: 404, code: 'dose_not_found' });
  });

  it('is for the staff of the centre and manage_vaccines', async () => {
    const { doseId, owner } = await dose();
    const stranger = await day.staff((await day.centre()).id, 'manager');
    for (const caller of [stranger, owner, await t.user('verify_registrations')]) {
      expect((await record(doseId, {}, caller)).body.code).toBe('forbidden');
    }
    expect((await record(doseId, {}, day.manager)).status).toBe(201);
  });
});

describe('GET /api/vaccination/adverse-events', () => {
  it('lists the events of a dose for the person, and for the staff with an audited reason', async () => {
    const { doseId, owner, registrationId } = await dose();
    const { body: event } = await record(doseId);
    expect((await list(`dose_id=${doseId}`, owner)).body).toEqual({ items: [event], next_cursor: null });
    expect(await viewsOf(registrationId)).toEqual([]);
    expect((await list(`dose_id=${doseId}`)).body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect((await list(`dose_id=${doseId}&${REASON}`)).body.items).toEqual([event]);
    expect(await viewsOf(registrationId)).toEqual([{ actor_id: registrar.id, details: { reason: 'Weekly review' } }]);
    expect((await list(`dose_id=${doseId}&${REASON}`, day.manager)).body.code).toBe('forbidden');
    expect((await list(`dose_id=${doseId}&${REASON}`, await t.user())).body.code).toBe('forbidden');
  });

  it('lists the events of a centre for its staff, newest first, in pages, and audits each person once', async () => {
    const { id: centre_id } = await day.centre();
    const member = await day.staff(centre_id, 'registrar');
    const [one, two] = [await dose(), await dose()];
    for (const { doseId } of [one, two]) await record(doseId, { code: 'headache' });
    const third = await record(two.doseId, { code: 'fatigue' });
    const ids = [one.doseId, two.doseId];
    await t.dataSource.query('update vaccination_adverse_events set centre_id = $1 where dose_id = any ($2)', [
      centre_id,
      ids,
    ]);
    const first = await list(`centre_id=${centre_id}&limit=2&${REASON}`, member);
    expect(first.body.items.map(({ code, dose_id }) => [code, dose_id])).toEqual([
      ['fatigue', two.doseId],
      ['headache', two.doseId],
    ]);
    expect(first.body.items[0]!.id).toBe(third.body.id);
    expect([(await viewsOf(one.registrationId)).length, (await viewsOf(two.registrationId)).length]).toEqual([0, 1]);
    const rest = await list(`centre_id=${centre_id}&limit=2&${REASON}&cursor=${first.body.next_cursor}`, member);
    expect([rest.body.items.map(({ dose_id }) => dose_id), rest.body.next_cursor]).toEqual([[one.doseId], null]);
    for (const caller of [registrar, day.manager]) {
      expect((await list(`centre_id=${centre_id}&${REASON}`, caller)).body.code).toBe('forbidden');
    }
    for (const query of ['', REASON, `centre_id=${centre_id}`, `centre_id=${centre_id}&dose_id=${one.doseId}`]) {
      expect((await list(query, member)).body).toMatchObject({ status: 422, code: 'validation_failed' });
    }
  });
});

describe('POST /api/vaccination/adverse-events/:id/entered-in-error', () => {
  it('marks a record as wrong, once; it stays, and the event can be recorded anew', async () => {
    const { doseId } = await dose();
    const { body: event } = await record(doseId);
    const stranger = await day.staff((await day.centre()).id, 'manager');
    expect((await inError(event.id, undefined, stranger)).body.code).toBe('forbidden');
    expect((await inError(event.id, {})).body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect((await inError(event.id)).body).toMatchObject({
      id: event.id,
      status: 'entered_in_error',
      error_reason: 'Wrong person.',
      error_at: '2027-01-18T04:00:30.000Z',
    });
    expect((await inError(event.id)).body).toMatchObject({ status: 409, code: 'adverse_event_in_error' });
    expect((await inError(uuidv7())).body).toMatchObject({ status: 404, code: 'adverse_event_not_found' });
    expect((await record(doseId)).status).toBe(201);
    const { body } = await list(`dose_id=${doseId}&${REASON}`);
    expect(body.items.map(({ status }) => status)).toEqual(['recorded', 'entered_in_error']);
  });
});

describe('An adverse event', () => {
  it('is in the copy of the data, in FHIR, and is kept with the dose when the person is deleted', async () => {
    const { doseId, owner, registrationId } = await dose();
    const { body: event } = await record(doseId, { description: 'In the evening.' });
    const wrong = await record(doseId, { code: 'rash' });
    await inError(wrong.body.id);
    const registration = `/api/vaccination/registrations/${registrationId}` as const;
    const { body: copy } = await t.request('GET', `${registration}/export`, { token: owner.token });
    expect(copy.adverse_events).toEqual([
      expect.objectContaining({ id: event.id, code: 'fever', description: 'In the evening.', status: 'recorded' }),
      expect.objectContaining({ code: 'rash', status: 'entered_in_error', error_reason: 'Wrong person.' }),
    ]);
    const fhir = await t.request('GET', `/api/vaccination/fhir/Immunization/${doseId}`, { token: owner.token });
    expect(fhir.body).toMatchObject({
      reaction: [{ date: '2027-01-18T04:00:00.000Z', detail: { display: 'fever of 38 °C or more' }, reported: false }],
    });
    const { body } = await t.request('DELETE', registration, { token: owner.token });
    expect(body).toEqual({ kept: ['doses', 'adverse_events'] });
    const rows = await t.dataSource.query('select 1 from vaccination_adverse_events where dose_id = $1', [doseId]);
    expect(rows).toHaveLength(2);
  });
});

describe('GET /api/vaccination/reports/adverse-events', () => {
  const rowsOf = async (count: number, fields: Partial<AdverseEvent>, vaccineId: string, time: string) => {
    const { id: lotId } = await day.lot({ vaccine_id: vaccineId });
    const { id: sessionId } = await day.session({ vaccine_id: vaccineId, capacity: 100 });
    const centreId = day.centreId;
    const at = '2026-11-01T04:00:00Z';
    const people = await vaccinationRows(t).doses({ people: count, centreId, vaccineId, lotId, sessionId, at });
    const doses = await t.dataSource.query('select id from vaccination_doses where registration_id = any ($1)', [
      people,
    ]);
    await t.dataSource.manager.insert(
      AdverseEvent,
      doses.map(({ id: dose_id }: { id: string }) => ({
        id: uuidv7(),
        dose_id,
        centre_id: centreId,
        code: 'fever' as const,
        severity: 'mild' as const,
        is_serious: false,
        onset_at: new Date(time),
        status: 'recorded' as const,
        error_at: fields.status === 'entered_in_error' ? new Date() : null,
        created_at: new Date(),
        ...fields,
      })),
    );
  };

  it('counts whole months in the time zone of the centres, without counts below 5', async () => {
    const [{ id: one, code }, { id: two }] = [await day.vaccine(), await day.vaccine()];
    await rowsOf(6, {}, one, '2026-11-30T17:59:00Z'); // November in Dhaka
    await rowsOf(5, {}, one, '2026-11-30T18:00:00Z'); // December
    await rowsOf(4, {}, two, '2026-12-05T04:00:00Z');
    await rowsOf(4, { is_serious: true }, one, '2026-12-05T04:00:00Z');
    await rowsOf(7, { status: 'entered_in_error' }, one, '2026-12-06T04:00:00Z');
    await rowsOf(8, {}, one, '2027-01-05T04:00:00Z'); // this month is not over
    const analyst = await t.user('view_vaccine_reports');
    const get = (query: string, extension = '') =>
      t.request('GET', `/api/vaccination/reports/adverse-events${extension}?from=2026-11-01&to=2027-01-31&${query}`, {
        token: analyst.token,
      });
    const { body } = await get('by=month,event,serious,vaccine');
    expect(body).toMatchObject({
      items: [
        { month: '2026-11', event: 'fever', serious: false, vaccine: code, events: 6 },
        { month: '2026-12', event: 'fever', serious: false, vaccine: code, events: 5 },
      ],
      total: 11,
    });
    expect((await get('by=event')).body).toMatchObject({ items: [{ event: 'fever', events: 11 }], total: 11 });
    expect((await get(`vaccine=${two}`)).body).toMatchObject({ items: [], total: 0 });
    // A month that is not wholly within the period is not counted.
    const shorter = await t.request('GET', '/api/vaccination/reports/adverse-events?from=2026-11-02&to=2026-12-30', {
      token: analyst.token,
    });
    expect(shorter.body).toMatchObject({ items: [] });
    expect((await get('by=event,serious', '.csv')).text).toBe('event,serious,events\r\nfever,no,11\r\n');
    expect((await get('by=event,serious', '.svg')).text).toContain('<title>fever · not serious: 11</title>');
    expect((await get('by=centre')).body).toMatchObject({ status: 422 });
    const outsider = await t.request('GET', '/api/vaccination/reports/adverse-events', { token: registrar.token });
    expect(outsider.status).toBe(403);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let vaccinator: SignedInUser;
let chief: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
  day = await vaccinationDay(t);
  [vaccinator, chief] = [await day.staff(day.centreId, 'vaccinator'), await day.staff(day.centreId, 'manager')];
  await t.dataSource.query(`create table told (dose_id uuid);
    create function copy_notice() returns trigger language plpgsql as $$
    begin insert into told values (new.dose_id); return null; end $$;
    create trigger copy_notice after insert on vaccination_notices for each row when (new.kind = 'lot_recalled')
      execute function copy_notice()`);
});
afterAll(() => t.stop());

const REASON = 'The cold chain was broken.';

const record = (appointment_id: string, lot_id: string) =>
  t.request('POST', '/api/vaccination/doses', {
    token: vaccinator.token,
    body: { appointment_id, lot_id, site: 'LA', route: 'IM' },
  });

const recall = (lotId: string, { token } = chief, reason = REASON) =>
  t.request('POST', `/api/vaccination/lots/${lotId}/recall`, { token, body: { reason } });

const recipients = (lotId: string, query = '?reason=Calling%20everyone', { token } = chief) =>
  t.request('GET', `/api/vaccination/lots/${lotId}/recipients${query}`, { token });

/** The doses about whose recall a message is written: each notice is copied, since the worker replaces it by messages. */
async function toldOf(lotId: string): Promise<string[]> {
  const sql = 'select told.dose_id from told join vaccination_doses d on d.id = told.dose_id where d.lot_id = $1';
  return (await t.dataSource.query<{ dose_id: string }[]>(sql, [lotId])).map(({ dose_id }) => dose_id).toSorted();
}

const viewsOf = (registrationId: string) =>
  t.dataSource.query<object[]>(
    `select actor_id, details from audit_events where action = 'registration.viewed' and subject_id = $1`,
    [registrationId],
  );

/** A dose from a lot, for a new person. */
async function give(lotId: string) {
  const visitor = await day.visitor();
  const { body } = await record(visitor.appointmentId, lotId);
  return { ...visitor, doseId: body.id };
}

describe('POST /api/vaccination/lots/:id/recall', () => {
  it('recalls a lot with its reason: no dose can be taken from it, and everyone who got it is told once', async () => {
    const lot = await day.lot();
    const [one, two] = [await give(lot.id), await give(lot.id)];
    const { status, body } = await recall(lot.id);
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ id: lot.id, recall_reason: REASON, recalled_at: '2027-01-18T04:00:00.000Z', used: 2 }),
    ]);
    expect(await toldOf(lot.id)).toEqual([one.doseId, two.doseId].toSorted());
    const { appointmentId } = await day.visitor();
    expect((await record(appointmentId, lot.id)).body).toMatchObject({ status: 409, code: 'lot_recalled' });
  });

  it('changes, tells and audits nothing when it is repeated', async () => {
    const lot = await day.lot();
    await give(lot.id);
    await recall(lot.id);
    const again = await recall(lot.id, day.manager, 'Another reason');
    expect([again.status, again.body.recall_reason]).toEqual([200, REASON]);
    expect(await toldOf(lot.id)).toHaveLength(1);
    const events = await t.dataSource.query(
      `select actor_id, details from audit_events where action = 'vaccine_lot.recalled' and subject_id = $1`,
      [lot.id],
    );
    expect(events).toEqual([{ actor_id: chief.id, details: { reason: REASON } }]);
  });

  it('tells a person who got two doses of the lot once, and nobody whose record was entered in error', async () => {
    const lot = await day.lot();
    const [both, wrong] = [await give(lot.id), await give(lot.id)];
    const [{ session_id: sessionId }] = await t.dataSource.query(
      'select session_id from vaccination_appointments where id = $1',
      [both.appointmentId],
    );
    const { registrationId } = both;
    const { appointmentId } = await day.visitor({ registrationId, sessionId, dose: 2 });
    await t.dataSource.query(`update vaccination_doses set given_at = given_at - interval '28 days' where id = $1`, [
      both.doseId,
    ]);
    const second = await record(appointmentId, lot.id);
    await t.request('POST', `/api/vaccination/doses/${wrong.doseId}/entered-in-error`, {
      token: chief.token,
      body: { reason: 'Another person got it.' },
    });
    await recall(lot.id);
    expect(await toldOf(lot.id)).toEqual([second.body.id]);
    const { body } = await recipients(lot.id);
    expect(body.items.map((item: { dose_id: string; dose: number }) => [item.dose_id, item.dose])).toEqual([
      [both.doseId, 1],
      [second.body.id, 2],
    ]);
    expect(await viewsOf(registrationId)).toHaveLength(1);
  });

  it('is for managers of the centre and manage_vaccines', async () => {
    const lot = await day.lot();
    expect((await recall(lot.id, vaccinator)).body.code).toBe('forbidden');
    const stranger = await day.staff((await day.centre()).id, 'manager');
    expect((await recall(lot.id, stranger)).body.code).toBe('lot_not_found');
    for (const reason of ['', 'x', 'x'.repeat(301), 'Call 0171 234 5678']) {
      expect((await recall(lot.id, chief, reason)).body).toMatchObject({ status: 422, code: 'validation_failed' });
    }
    expect((await recall(lot.id, day.manager)).status).toBe(200);
  });

  it('tells everyone whose dose was recorded, when 20 doses are recorded and the lot is recalled twice at once', async () => {
    const appointments = await day.crowd(20);
    const lot = await day.lot({ received: 20 });
    await t.warmUp();
    const recordAll = (part: string[]) => Promise.all(part.map((appointment) => record(appointment, lot.id)));
    const answers = await Promise.all([
      recordAll(appointments.slice(0, 10)),
      recall(lot.id).then(() => []),
      recordAll(appointments.slice(10)),
      recall(lot.id).then(() => []),
    ]);
    const recorded = answers.flat().filter(({ status }) => status === 201);
    const refused = answers.flat().filter(({ status }) => status !== 201);
    expect(new Set(refused.map(({ body }) => body.code))).toEqual(new Set(refused.length > 0 ? ['lot_recalled'] : []));
    expect(await toldOf(lot.id)).toEqual(recorded.map(({ body }) => body.id).toSorted());
  });
});

describe('GET /api/vaccination/lots/:id/recipients', () => {
  it('lists who got a recalled lot, in pages, and audits each person with the reason', async () => {
    const lot = await day.lot();
    const people = [await give(lot.id), await give(lot.id), await give(lot.id)];
    await recall(lot.id);
    const first = await recipients(lot.id, '?limit=2&reason=Calling%20everyone');
    expect(first.body.items[0]).toEqual({
      dose_id: people[0]!.doseId,
      dose: 1,
      given_at: '2027-01-18T04:00:00.000Z',
      centre_id: day.centreId,
      registration_id: people[0]!.registrationId,
      legal_name: expect.stringMatching(/^Visitor/),
      date_of_birth: '1990-04-01',
      phone: '+8801712345678',
    });
    expect(await viewsOf(people[2]!.registrationId)).toEqual([]);
    const second = await recipients(lot.id, `?limit=2&reason=Calling%20everyone&cursor=${first.body.next_cursor}`);
    expect([first, second].flatMap(({ body }) => body.items).map((item) => item.dose_id)).toEqual(
      people.map(({ doseId }) => doseId),
    );
    expect(second.body.next_cursor).toBeNull();
    for (const { registrationId } of people) {
      expect(await viewsOf(registrationId)).toEqual([{ actor_id: chief.id, details: { reason: 'Calling everyone' } }]);
    }
  });

  it('needs a reason, a recalled lot, and a manager', async () => {
    const lot = await day.lot();
    expect((await recipients(lot.id)).body).toMatchObject({ status: 409, code: 'lot_not_recalled' });
    await recall(lot.id);
    expect((await recipients(lot.id, '')).body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect((await recipients(lot.id, '?reason=Why%20not&cursor=x')).body.code).toBe('invalid_cursor');
    expect((await recipients(lot.id, '?reason=Why%20not', vaccinator)).body.code).toBe('forbidden');
    expect((await recipients(lot.id, '?reason=Why%20not')).body).toEqual({ items: [], next_cursor: null });
  });
});

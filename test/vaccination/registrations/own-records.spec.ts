import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
  day = await vaccinationDay(t);
});
afterAll(() => t.stop());

const post = (path: string, { token }: SignedInUser, body: object) =>
  t.request('POST', `/api/vaccination/${path}` as '/api/vaccination/doses', { token, body });

const record = (vaccinator: SignedInUser, appointment_id: string, lot_id: string) =>
  post('doses', vaccinator, { appointment_id, lot_id, site: 'LA', route: 'IM' });

const remove = ({ token, password }: SignedInUser) =>
  t.request('DELETE', '/api/users/me', { token, body: { password } });

const OWN = { status: 403, code: 'own_record' };

describe('A member of the staff', () => {
  it('cannot record, or mark as wrong, a dose for themselves and their dependants; a colleague can', async () => {
    const [vaccinator, colleague] = [
      await day.staff(day.centreId, 'vaccinator'),
      await day.staff(day.centreId, 'vaccinator'),
    ];
    const lot = await day.lot();
    for (const place of [0, 1]) {
      const registrationId = await day.person(vaccinator, { place });
      const { appointmentId } = await day.visitor({ registrationId });
      expect((await record(vaccinator, appointmentId, lot.id)).body).toMatchObject(OWN);
      const { body: dose, status } = await record(colleague, appointmentId, lot.id);
      expect(status).toBe(201);
      const path = `doses/${dose.id}/entered-in-error`;
      expect((await post(path, vaccinator, { reason: 'Not given.' })).body).toMatchObject(OWN);
      expect((await post(path, colleague, { reason: 'Not given.' })).status).toBe(200);
    }
    expect((await t.dataSource.query('select used from vaccine_lots where id = $1', [lot.id]))[0].used).toBe(2);
  });

  it('cannot check themselves in without the code, or as a walk-in; with the code they can', async () => {
    const chief = await day.staff(day.centreId, 'manager');
    const registrationId = await day.person(chief);
    const { appointmentId, sessionId } = await day.visitor({ registrationId, status: 'booked' });
    const path = `appointments/${appointmentId}/check-in`;
    expect((await post(path, chief, { override_reason: 'No phone.' })).body).toMatchObject(OWN);
    const own = await t.request('GET', `/api/vaccination/appointments/${appointmentId}`, { token: chief.token });
    expect((await post(path, chief, { code: own.body.check_in_code })).status).toBe(200);

    const dependant = await day.person(chief, { place: 1 });
    const walkIn = await post(`sessions/${sessionId}/walk-ins`, chief, { registration_id: dependant });
    expect(walkIn.body).toMatchObject(OWN);
  });
});

describe('A vaccinator who deletes the account while recording a dose', () => {
  /** Runs while another connection holds the lock of a registration, and lets go of it once `count` statements wait. */
  async function whileLocked(registrationId: string, count: number, start: () => Promise<unknown>): Promise<void> {
    const holder = new pg.Client(t.connection);
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from vaccination_registrations where id = $1 for update', [registrationId]);
    const work = start();
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await expect.poll(() => t.dataSource.query(waiting)).toHaveLength(count);
    await holder.query('commit');
    await holder.end();
    await work;
  }

  it('has recorded it when the deletion came second, and the record outlives the account', async () => {
    const vaccinator = await day.staff(day.centreId, 'vaccinator');
    const { appointmentId, registrationId } = await day.visitor();
    const lot = await day.lot();
    await whileLocked(registrationId, 2, async () => {
      const recorded = record(vaccinator, appointmentId, lot.id);
      await expect.poll(() => t.dataSource.query(WAITING_FOR_PERSON)).toHaveLength(1);
      const [{ status, body }, removed] = await Promise.all([recorded, remove(vaccinator)]);
      expect([status, removed.status]).toEqual([201, 204]);
      const sql = 'select vaccinator_id, status from vaccination_doses where id = $1';
      expect(await t.dataSource.query(sql, [body.id])).toEqual([{ vaccinator_id: null, status: 'completed' }]);
    });
  });

  it('is told that the session has ended when the deletion came first, and nothing is recorded', async () => {
    const vaccinator = await day.staff(day.centreId, 'vaccinator');
    const own = await day.person(vaccinator);
    const { appointmentId } = await day.visitor();
    const lot = await day.lot();
    await whileLocked(own, 2, async () => {
      const removed = remove(vaccinator);
      await expect.poll(() => t.dataSource.query(WAITING_FOR_PERSON)).toHaveLength(1);
      const [{ status, body, headers }, { status: deleted }] = await Promise.all([
        record(vaccinator, appointmentId, lot.id),
        removed,
      ]);
      expect([status, deleted, headers.get('www-authenticate')]).toEqual([401, 204, 'Bearer error="invalid_token"']);
      expect(body).toMatchObject({ code: 'invalid_token', msg: 'Token has expired' });
    });
    expect((await t.dataSource.query('select used from vaccine_lots where id = $1', [lot.id]))[0].used).toBe(0);
  });

  it('never meets a deadlock, also when two vaccinators record for each other and both delete their accounts', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 6; round++) {
      const pair = [await day.staff(day.centreId, 'vaccinator'), await day.staff(day.centreId, 'vaccinator')] as const;
      const lot = await day.lot();
      const visits = await Promise.all(
        pair.map(async (user) => (await day.visitor({ registrationId: await day.person(user) })).appointmentId),
      );
      const answers = await Promise.all([
        record(pair[0], visits[1]!, lot.id),
        record(pair[1], visits[0]!, lot.id),
        remove(pair[0]),
        remove(pair[1]),
      ]);
      for (const { status } of answers) seen.add(String(status));
    }
    expect([...seen].filter((status) => !['201', '204', '401', '403', '404', '409'].includes(status))).toEqual([]);
    expect([...seen]).toContain('204');
  });
});

const WAITING_FOR_PERSON = `select pid from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock' and query like '%vaccination_registrations%'`;

it('A dose that was booked before the vaccine got fewer doses can still be recorded', async () => {
  const vaccinator = await day.staff(day.centreId, 'vaccinator');
  const vaccine = await day.vaccine({ disease: '6142004' });
  const { id: sessionId } = await day.session({ vaccine_id: vaccine.id });
  const lot = await day.lot({ vaccine_id: vaccine.id });
  const first = await day.visitor({ sessionId, disease: '6142004' });
  expect((await record(vaccinator, first.appointmentId, lot.id)).status).toBe(201);
  const { registrationId } = first;
  const second = await day.visitor({ registrationId, sessionId, dose: 2, disease: '6142004' });
  const doses = vaccine.doses.slice(0, 1);
  const path = `/api/vaccination/vaccines/${vaccine.id}` as '/api/vaccination/vaccines/{id}';
  const { status } = await t.request('PATCH', path, { token: day.manager.token, body: { doses } });
  expect(status).toBe(200);
  expect((await record(vaccinator, second.appointmentId, lot.id)).body).toMatchObject({ dose: 2, status: 'completed' });
});

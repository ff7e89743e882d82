import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckInCodesService } from '../../../src/vaccination/appointments/check-in-codes.service.js';
import type { LooseBody } from '../../support/api/api-body.js';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let registrar: SignedInUser;
let chief: SignedInUser;
const TEN = Date.parse('2027-01-18T04:00:00Z');
beforeAll(async () => {
  t = await startApp();
  t.clock.set(TEN); // 10:00 in Dhaka
  day = await vaccinationDay(t);
  [registrar, chief] = [await day.staff(day.centreId, 'registrar'), await day.staff(day.centreId, 'manager')];
});
afterAll(() => t.stop());

/** Runs with the clock at another time, at which the user signs in anew. */
async function at(time: string, user: SignedInUser, work: (user: SignedInUser) => Promise<void>): Promise<void> {
  t.clock.set(Date.parse(time));
  try {
    await work({ ...user, token: await t.signIn(user.username, user.password) });
  } finally {
    t.clock.set(TEN);
  }
}

const codeOf = (id: string): string => t.app.get(CheckInCodesService).codeOf(id);
const wrong = (id: string): string => String((Number(codeOf(id)) + 1) % 1_000_000).padStart(6, '0');

const checkIn = (id: string, body: object, { token } = registrar) =>
  t.request('POST', `/api/vaccination/appointments/${id}/check-in`, { token, body });

const noShow = (id: string, { token } = registrar) =>
  t.request('POST', `/api/vaccination/appointments/${id}/no-show`, { token });

describe('POST /api/vaccination/appointments/:id/check-in', () => {
  it('checks a person in by the code, once', async () => {
    const { appointmentId: id, registrationId } = await day.visitor({ status: 'booked' });
    const answer = await checkIn(id, { code: codeOf(id) });
    expect([answer.status, answer.body]).toEqual([
      200,
      expect.objectContaining({
        id,
        registration_id: registrationId,
        status: 'checked_in',
        checked_in_at: '2027-01-18T04:00:00.000Z',
      }),
    ]);
    expect((await checkIn(id, { code: codeOf(id) })).body.code).toBe('appointment_not_changeable');
  });

  it('keeps no code in the database and in the log, and makes another one for each appointment', async () => {
    const visitors = [await day.visitor({ status: 'booked' }), await day.visitor({ status: 'booked' })];
    const codes = visitors.map(({ appointmentId }) => codeOf(appointmentId));
    expect(new Set(codes).size).toBe(2);
    for (const { appointmentId } of visitors) await checkIn(appointmentId, { code: codeOf(appointmentId) });
    const rows = await t.dataSource.query(
      'select a.*, (select json_agg(e) from audit_events e) from vaccination_appointments a',
    );
    for (const code of codes) {
      expect(JSON.stringify(rows)).not.toMatch(new RegExp(`\\b${code}\\b`));
      expect(t.logLines.join('')).not.toMatch(new RegExp(`\\b${code}\\b`));
    }
  });

  it('counts five wrong codes, also when 20 come at once, and then refuses the right one', async () => {
    const { appointmentId: id } = await day.visitor({ status: 'booked' });
    await t.warmUp();
    const answers = await Promise.all(Array.from({ length: 20 }, () => checkIn(id, { code: wrong(id) })));
    const codes = answers.map(({ body }) => body.code);
    expect(codes.filter((code) => code === 'wrong_check_in_code')).toHaveLength(5);
    expect(codes.filter((code) => code === 'check_in_locked')).toHaveLength(15);
    const tries = answers
      .map(({ body }) => (body as LooseBody)['remaining_tries'])
      .filter((left) => left !== undefined);
    expect(tries.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
    expect((await checkIn(id, { code: codeOf(id) })).body.code).toBe('check_in_locked');
  });

  it('lets only a manager of the centre override it, with a reason that is audited', async () => {
    const { appointmentId: id } = await day.visitor({ status: 'booked' });
    for (let i = 0; i < 5; i++) await checkIn(id, { code: wrong(id) });
    const body = { override_reason: 'The phone is broken; the passport was checked.' };
    expect((await checkIn(id, body)).body.code).toBe('forbidden');
    expect((await checkIn(id, body, chief)).body.status).toBe('checked_in');
    const audit = await t.request('GET', `/api/audit?subject_id=${id}`, { token: await t.asAdmin() });
    expect(audit.body.items.map(({ action, actor_id, succeeded }) => [action, actor_id, succeeded])).toEqual([
      ['vaccination_appointment.checked_in', chief.id, true],
      ...Array.from({ length: 5 }, () => ['vaccination_appointment.check_in_refused', registrar.id, false]),
    ]);
    expect(audit.body.items[0]!.details).toEqual(body);
  });

  it('works on the day of the session only, from midnight to midnight at the centre', async () => {
    const times = { starts_at: '2027-01-19T04:00:00Z', ends_at: '2027-01-19T07:00:00Z' };
    const { appointmentId: id } = await day.visitor({ status: 'booked', ...times });
    for (const time of ['2027-01-18T17:59:59Z', '2027-01-19T18:00:00Z']) {
      await at(time, registrar, async (caller) => {
        expect((await checkIn(id, { code: codeOf(id) }, caller)).body.code).toBe('not_session_day');
      });
    }
    await at('2027-01-18T18:00:00Z', registrar, async (caller) => {
      expect((await checkIn(id, { code: codeOf(id) }, caller)).status).toBe(200);
    });
  });

  it.each([
    {},
    { code: '12345' },
    { code: 123_456 },
    { code: '１２３４５６' },
    { override_reason: 'x' },
    { code: null },
  ])('answers 422 for %j', async (body) => {
    const { appointmentId } = await day.visitor({ status: 'booked' });
    expect((await checkIn(appointmentId, body, chief)).body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it('answers 422 for a code together with a reason', async () => {
    const { appointmentId: id } = await day.visitor({ status: 'booked' });
    const body = { code: codeOf(id), override_reason: 'The phone is broken.' };
    expect((await checkIn(id, body, chief)).body.code).toBe('validation_failed');
  });

  it.each(['cancelled', 'no_show', 'fulfilled'] as const)(
    'answers 409 for an appointment that is %s',
    async (status) => {
      const { appointmentId: id } = await day.visitor({ status });
      expect((await checkIn(id, { code: codeOf(id) })).body.code).toBe('appointment_not_changeable');
      const body = { override_reason: 'The phone is broken.' };
      expect((await checkIn(id, body, chief)).body.code).toBe('appointment_not_changeable');
    },
  );
});

describe('POST /api/vaccination/appointments/:id/no-show', () => {
  it.each(['booked', 'checked_in'] as const)(
    'records after the end that a person who is %s got no dose',
    async (status) => {
      const times = { starts_at: '2027-01-18T04:00:00Z', ends_at: '2027-01-18T04:30:00Z' };
      const { appointmentId: id } = await day.visitor({ status, ...times });
      expect((await noShow(id)).body.code).toBe('session_not_over');
      await at('2027-01-18T04:30:00Z', registrar, async (caller) => {
        expect((await noShow(id, caller)).body.status).toBe('no_show');
        expect((await noShow(id, caller)).body.code).toBe('appointment_not_changeable');
      });
    },
  );
});

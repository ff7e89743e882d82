import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type SignedInUser, type TestApp } from '../support/app.js';
import { vaccinationDay } from '../support/vaccination/vaccination-day.js';

const API = '/api/vaccination';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let chief: SignedInUser;
beforeAll(async () => {
  const never = { IDENTITY_TOKEN_TTL: 'never', SESSION_MAX_AGE: 'never', REFRESH_TOKEN_TTL: 'never' };
  t = await startApp({ env: never });
  t.clock.set(Date.parse('2027-01-17T04:00:00Z')); // tokens are valid from now on
  day = await vaccinationDay(t);
  chief = await day.staff(day.centreId, 'manager');
});
afterAll(() => t.stop());

const post = (path: string, { token }: SignedInUser, body?: object) =>
  t.request('POST', `${API}/${path}` as '/api/vaccination/doses', { token, body });

describe('A session across midnight in Dhaka', () => {
  // 22:00 to 02:00
  const night = { starts_at: '2027-01-18T16:00:00Z', ends_at: '2027-01-18T20:00:00Z' };
  const codeOf = (problem: { body: unknown }) => (problem.body as { code?: string }).code;

  /** A booked visitor, and what the staff can do with the appointment at some time. */
  async function visit() {
    const { appointmentId: id } = await day.visitor({ ...night, status: 'booked' });
    const at = async (time: string, path: string, body: object): Promise<string> => {
      t.clock.set(Date.parse(time));
      const answer = await post(path, chief, body);
      return answer.status < 300 ? 'done' : codeOf(answer)!;
    };
    const reason = { override_reason: 'No phone.' };
    return {
      checkIn: (time: string) => at(time, `appointments/${id}/check-in`, reason),
      noShow: (time: string) => at(time, `appointments/${id}/no-show`, {}),
      give: (time: string, lot_id: string, given_at?: string) =>
        at(time, 'doses', { appointment_id: id, lot_id, site: 'LA', route: 'IM', ...(given_at && { given_at }) }),
    };
  }

  it('admits people on both days, from the midnight before its start to the midnight after its end', async () => {
    const times = ['2027-01-17T17:59:59Z', '2027-01-17T18:00:00Z', '2027-01-19T17:59:59Z', '2027-01-19T18:00:00Z'];
    const answers = await Promise.all(times.map(() => visit()));
    const found: string[] = [];
    for (const [index, time] of times.entries()) found.push(await answers[index]!.checkIn(time));
    expect(found).toEqual(['not_session_day', 'done', 'done', 'not_session_day']);
  });

  it('counts a dose for the day on which it was given: the expiry of the lot and the certificate', async () => {
    t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
    const lot = await day.lot({ expires_on: '2027-01-18' });
    const [early, late] = [await visit(), await visit()];
    await early.checkIn('2027-01-18T17:00:00Z');
    await late.checkIn('2027-01-18T17:00:00Z');
    expect(await early.give('2027-01-18T17:59:59Z', lot.id)).toBe('done');
    expect(await late.give('2027-01-18T18:00:00Z', lot.id)).toBe('lot_expired');
    expect(await late.give('2027-01-18T18:05:00Z', lot.id, '2027-01-18T17:58:00Z')).toBe('done'); // from paper
    expect(await late.noShow('2027-01-18T20:00:00Z')).toBe('appointment_not_changeable');
  });

  it('is over at its end, not at midnight', async () => {
    t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
    const absent = await visit();
    expect(await absent.noShow('2027-01-18T19:59:59Z')).toBe('session_not_over');
    expect(await absent.noShow('2027-01-18T20:00:00Z')).toBe('done');
  });
});

describe('A person born on 29 February', () => {
  it.each([
    ['reaches 13 years on 1 March of a common year', '2029-02-28', 'too_young', { min_age_months: 156 }],
    ['reaches 13 years on 1 March of a common year', '2029-03-01', 201, { min_age_months: 156 }],
    ['reaches 12 years on 29 February of a leap year', '2028-02-28', 'too_young', { min_age_months: 144 }],
    ['reaches 12 years on 29 February of a leap year', '2028-02-29', 201, { min_age_months: 144 }],
    ['is 12 years old until 28 February of a common year', '2029-02-28', 201, { max_age_months: 156 }],
    ['is 12 years old until 28 February of a common year', '2029-03-01', 'too_old', { max_age_months: 156 }],
  ])('%s: a booking for %s answers %s', async (_, date, expected, ages) => {
    t.clock.set(Date.parse('2028-01-18T04:00:00Z'));
    const { id: vaccine_id } = await day.vaccine({ min_age_months: 0, ...ages });
    const owner = await t.user();
    const registration_id = await day.person(owner, { date_of_birth: '2016-02-29' });
    // From midnight on in Dhaka, which is the day before in UTC.
    const starts_at = new Date(Date.parse(`${date}T00:00:00+06:00`)).toISOString();
    const ends_at = new Date(Date.parse(`${date}T01:00:00+06:00`)).toISOString();
    const { id: session_id } = await day.session({ vaccine_id, starts_at, ends_at });
    const { status, body } = await post('appointments', owner, { registration_id, session_id });
    expect(status === 201 ? status : (body as { code?: string }).code).toBe(expected);
  });
});

describe('A centre in another time zone', () => {
  it('counts an interval in its days, also over the night in which its clocks change', async () => {
    t.clock.set(Date.parse('2027-03-07T04:00:00Z'));
    const { id: centre_id } = await day.centre({ time_zone: 'America/New_York' });
    const { id: vaccine_id } = await day.vaccine({
      doses: [0, 7].map((days) => ({ min_interval_days: days, recommended_interval_days: days, grace_days: 0 })),
    });
    const [vaccinator, lot] = [await day.staff(centre_id, 'vaccinator'), await day.lot({ centre_id, vaccine_id })];
    // 23:30 on 7 March, a week before the night that lacks an hour.
    const {
      owner,
      registrationId: registration_id,
      appointmentId,
    } = await day.visitor({
      sessionId: (
        await day.session({ centre_id, vaccine_id, starts_at: '2027-03-08T04:00:00Z', ends_at: '2027-03-08T05:00:00Z' })
      ).id,
    });
    t.clock.set(Date.parse('2027-03-08T04:30:00Z'));
    const dose = { appointment_id: appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' };
    expect((await post('doses', vaccinator, dose)).status).toBe(201);
    const path = `${API}/registrations/${registration_id}/eligibility?vaccine=${vaccine_id}&centre=${centre_id}`;
    const { body } = await t.request('GET', path, { token: owner.token });
    expect(body['items'][0]).toMatchObject({ next_dose: 2, earliest_day: '2027-03-14', reasons: ['too_early'] });

    const bookAt = async (starts_at: string, ends_at: string) => {
      const { id: session_id } = await day.session({ centre_id, vaccine_id, starts_at, ends_at });
      const answer = await post('appointments', owner, { registration_id, session_id });
      return answer.status === 201 ? 201 : (answer.body as { code?: string }).code;
    };
    expect(await bookAt('2027-03-14T04:59:00Z', '2027-03-14T06:00:00Z')).toBe('too_early'); // 23:59 on 13 March
    expect(await bookAt('2027-03-14T05:00:00Z', '2027-03-14T06:00:00Z')).toBe(201); // midnight
  });
});

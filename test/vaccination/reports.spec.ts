import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { rounds } from '../support/setup/rounds.js';
import { vaccinationRows } from '../support/vaccination/vaccination-rows.js';
import { vaccinationWorld } from '../support/vaccination/vaccination.js';

const REPORTS = '/api/vaccination/reports';
const KINDS = ['coverage', 'utilisation', 'no-shows', 'anomalies'];

let t: TestApp;
let analyst: SignedInUser;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let rows: ReturnType<typeof vaccinationRows>;

beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-03-01T06:00:00Z')); // a Monday, noon in Dhaka
  analyst = await t.user('view_vaccine_reports');
  world = await vaccinationWorld(t);
  rows = vaccinationRows(t);
});
afterAll(() => t.stop());

/** A centre with a vaccine, a lot, and one large session of the given day. */
async function place({ centre = {}, ...session }: { centre?: object; [name: string]: unknown } = {}) {
  const { id: centreId, code } = await world.centre(centre);
  const { id: vaccineId } = await world.vaccine();
  const { id: lotId } = await world.create('/api/vaccination/lots', {
    centre_id: centreId,
    vaccine_id: vaccineId,
    number: 'L1',
    expires_on: '2027-12-31',
    received: 1000,
  });
  const { id: sessionId } = await world.session({
    centre_id: centreId,
    vaccine_id: vaccineId,
    starts_at: '2027-02-01T03:00:00Z',
    ends_at: '2027-02-01T09:00:00Z',
    opens_at: '2027-01-01T03:00:00Z',
    capacity: 1000,
    status: 'draft',
    ...session,
  });
  await t.dataSource.query(`update vaccination_sessions set status = 'closed' where id = $1`, [sessionId]);
  return { centreId, code, vaccineId, lotId, sessionId };
}

async function get(path: string, query: Record<string, string> = {}) {
  const search = new URLSearchParams({ from: '2027-02-01', to: '2027-02-28', ...query });
  return t.request('GET', `${REPORTS}/${path}?${search.toString()}`, { token: analyst.token });
}

describe('GET /api/vaccination/reports/coverage', () => {
  it('counts completed doses by dose, centre and day in the time zone of the centre', async () => {
    const { centreId, code, ...ids } = await place();
    const at = { centreId, ...ids };
    await rows.doses({ ...at, people: 6, at: '2027-02-01T17:59:00Z' }); // 23:59 in Dhaka
    await rows.doses({ ...at, people: 7, at: '2027-02-01T18:00:00Z' }); // midnight
    await rows.doses({ ...at, people: 8, at: '2027-02-02T10:00:00Z', dose: 2 });
    await rows.doses({ ...at, people: 9, at: '2027-02-02T10:00:00Z', status: 'entered_in_error' });
    const { body } = await get('coverage', { centre: centreId, by: 'centre,day,dose' });
    expect(body['items']).toEqual([
      { centre: code, day: '2027-02-01', dose: 1, doses: 6 },
      { centre: code, day: '2027-02-02', dose: 1, doses: 7 },
      { centre: code, day: '2027-02-02', dose: 2, doses: 8 },
    ]);
    expect(body['total']).toBe(21);
    const filtered = await get('coverage', { vaccine: ids.vaccineId, dose: '2', by: 'week,district,vaccine' });
    expect(filtered.body['items']).toMatchObject([{ week: '2027-W05', district: 'Dhaka', doses: 8 }]);
  });

  it('counts by sex and age on the day of the dose: the birthday is in the next band', async () => {
    const { centreId, ...ids } = await place();
    const at = { centreId, ...ids, at: '2027-02-03T05:00:00Z' };
    await rows.doses({ ...at, people: 10, sex: 'female', born: '2009-02-03' }); // 18 today
    await rows.doses({ ...at, people: 11, sex: 'male', born: '2009-02-04' }); // 18 tomorrow
    await rows.doses({ ...at, people: 12, born: '1940-01-01' });
    const { body } = await get('coverage', { centre: centreId, by: 'sex,age_band' });
    expect(body['items']).toEqual([
      { sex: 'female', age_band: '18-29', doses: 10 },
      { sex: 'male', age_band: '12-17', doses: 11 },
      { sex: 'unknown', age_band: '80+', doses: 12 },
    ]);
  });

  it('leaves out days and weeks that are not over at the centre', async () => {
    const { centreId, ...ids } = await place();
    const at = { centreId, ...ids, people: 5 };
    await rows.doses({ ...at, at: '2027-02-28T17:59:00Z' });
    await rows.doses({ ...at, at: '2027-02-28T18:01:00Z' }); // 1 March in Dhaka, which is today
    const query = { centre: centreId, from: '2027-02-20', to: '2027-03-07' };
    expect((await get('coverage', { ...query, by: 'day' })).body['items']).toEqual([{ day: '2027-02-28', doses: 5 }]);
    expect((await get('coverage', { ...query, by: 'sex' })).body['total']).toBe(5);
    expect((await get('coverage', { ...query, to: '2027-02-27', by: 'sex' })).body['total']).toBe(0);
  });

  it('answers 422 to a wrong period, group or filter', async () => {
    const wrong: Record<string, string>[] = [
      { from: '2027-02-02', to: '2027-02-01' },
      { from: '2026-01-01', to: '2027-02-01' },
      { from: '2027-02-30' },
      { by: 'day,sex' },
      { by: 'name' },
      { by: 'day,day' },
      { by: '' },
      { vaccine: 'x' },
      { dose: '11' },
      { other: '1' },
    ];
    for (const query of wrong) expect([query, (await get('coverage', query)).status]).toEqual([query, 422]);
  });
});

describe('small counts', () => {
  it('are in no row and in no sum', async () => {
    const { centreId, ...ids } = await place();
    const at = { centreId, ...ids };
    await rows.doses({ ...at, people: 4, at: '2027-02-01T05:00:00Z' });
    await rows.doses({ ...at, people: 5, at: '2027-02-02T05:00:00Z' });
    for (const by of ['dose', 'day', 'centre', 'week,vaccine']) {
      const { body } = await get('coverage', { centre: centreId, by });
      expect([by, body['total'], body['items'].length]).toEqual([by, 5, 1]);
    }
  });

  it('cannot be computed by shifting the period, adding filters, or comparing groups', async () => {
    const { centreId, ...ids } = await place();
    const at = { centreId, ...ids };
    const small = { day: 3, person: 2 };
    // Monday to Wednesday. On Wednesday only a few; of one kind of person only a few.
    await rows.doses({ ...at, people: 20, sex: 'female', at: '2027-02-08T05:00:00Z' });
    await rows.doses({ ...at, people: 30, sex: 'male', at: '2027-02-09T05:00:00Z' });
    await rows.doses({ ...at, people: 25, sex: 'female', born: '1970-01-01', at: '2027-02-09T05:00:00Z' });
    await rows.doses({ ...at, people: small.day, sex: 'male', at: '2027-02-10T05:00:00Z' });
    await rows.doses({ ...at, people: small.person, sex: 'other', born: '1940-01-01', at: '2027-02-09T05:00:00Z' });
    const totals = new Set<number>();
    const days = ['2027-02-07', '2027-02-08', '2027-02-09', '2027-02-10', '2027-02-11', '2027-02-14'];
    const groups = ['dose', 'day', 'week', 'centre', 'district', 'vaccine', 'sex', 'age_band', 'sex,age_band'];
    for (const from of days) {
      for (const to of days.filter((day) => day >= from)) {
        for (const by of groups) {
          for (const filter of [{ centre: centreId }, { vaccine: ids.vaccineId, dose: '1' }] as Record<
            string,
            string
          >[]) {
            const { body } = await get('coverage', { from, to, by, ...filter });
            for (const { doses } of body['items']) totals.add(doses);
            totals.add(body['total']);
          }
        }
      }
    }
    const known = [...totals];
    const differences = known.flatMap((a) => known.map((b) => a - b));
    expect(known.filter((count) => count > 0 && count < 5)).toEqual([]);
    expect(differences.filter((count) => count === small.day || count === small.person)).toEqual([]);
    expect(Math.max(...known)).toBeGreaterThanOrEqual(57);
  });

  it('withhold one more cell of people when only a day is small, and when only a cell of people is', async () => {
    for (const [friday, other] of [
      [3, 0],
      [0, 3],
      [0, 0],
    ] as const) {
      const { centreId, ...ids } = await place();
      const at = { centreId, ...ids };
      await rows.doses({ ...at, people: 20, sex: 'female', at: '2027-02-15T05:00:00Z' });
      await rows.doses({ ...at, people: 30, sex: 'male', at: '2027-02-15T05:00:00Z' });
      await rows.doses({ ...at, people: friday, sex: 'female', at: '2027-02-19T05:00:00Z' });
      await rows.doses({ ...at, people: other, sex: 'other', at: '2027-02-15T05:00:00Z' });
      const people = await get('coverage', { centre: centreId, by: 'sex' });
      expect(people.body['items']).toHaveLength(friday + other === 0 ? 2 : 1);
    }
  });
});

describe('GET /api/vaccination/reports/utilisation', () => {
  it('adds up capacities of more places than an integer of the database holds', async () => {
    const { centreId, code, sessionId } = await place({ capacity: 100_000 });
    await t.dataSource.query(
      `insert into vaccination_sessions
        select (n).* from (
          select jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid())) as n
          from vaccination_sessions s, generate_series(1, 21999) where s.id = $1
        ) copies`,
      [sessionId],
    );
    const { status, body } = await get('utilisation', { centre: centreId });
    expect([status, body['items']]).toEqual([
      200,
      [{ centre: code, sessions: 22_000, capacity: 2_200_000_000, booked: 0, use: 0 }],
    ]);
    await t.dataSource.query('delete from vaccination_sessions where centre_id = $1', [centreId]);
  });

  it('compares booked places with the capacity, without days of 1 to 4 bookings', async () => {
    const { centreId, code, vaccineId } = await place({ capacity: 40 });
    const session = async (day: string, capacity: number, booked: number, status = 'closed') => {
      const { id } = await world.session({
        centre_id: centreId,
        vaccine_id: vaccineId,
        starts_at: `${day}T03:00:00Z`,
        ends_at: `${day}T06:00:00Z`,
        opens_at: '2027-01-01T03:00:00Z',
        capacity,
        status: 'draft',
      });
      await t.dataSource.query('update vaccination_sessions set status = $2, booked = $3 where id = $1', [
        id,
        status,
        booked,
      ]);
    };
    await session('2027-02-02', 20, 12);
    await session('2027-02-02', 20, 3);
    await session('2027-02-03', 50, 4);
    await session('2027-02-04', 50, 50, 'cancelled');
    const { body } = await get('utilisation', { centre: centreId, by: 'centre,day' });
    expect(body['items']).toEqual([
      { centre: code, day: '2027-02-01', sessions: 1, capacity: 40, booked: 0, use: 0 },
      { centre: code, day: '2027-02-02', sessions: 2, capacity: 40, booked: 15, use: 0.375 },
    ]);
    expect((await get('utilisation', { centre: centreId })).body['items']).toMatchObject([{ booked: 15, use: 0.188 }]);
  });
});

describe('GET /api/vaccination/reports/no-shows', () => {
  it('counts marked and unmarked appointments of whole weeks, and withholds small weeks', async () => {
    const { centreId, code, sessionId } = await place();
    const people = await rows.registrations(20);
    await rows.appointments(sessionId, people.slice(0, 12), 'fulfilled');
    await rows.appointments(sessionId, people.slice(12, 15), 'no_show');
    await rows.appointments(sessionId, people.slice(15, 18), 'booked');
    await rows.appointments(sessionId, people.slice(18), 'cancelled');
    const { body } = await get('no-shows', { centre: centreId });
    expect(body['items']).toEqual([{ centre: code, expected: 18, no_shows: 6, rate: 0.333 }]);
    const shorter = await get('no-shows', { centre: centreId, to: '2027-02-06' });
    expect(shorter.body['items']).toEqual([]);

    const { centreId: other, sessionId: otherSession } = await place();
    await rows.appointments(otherSession, await rows.registrations(12), 'fulfilled');
    await rows.appointments(otherSession, await rows.registrations(4), 'no_show');
    expect((await get('no-shows', { centre: other })).body['items']).toEqual([]);
  });
});

describe('GET /api/vaccination/reports/anomalies', () => {
  it('lists one lot for two doses months apart, doses outside hours, and too many within an hour', async () => {
    const { centreId, code, ...ids } = await place();
    const at = { centreId, ...ids };
    const registrationIds = await rows.doses({ ...at, at: '2026-12-01T05:00:00Z' });
    await rows.doses({ ...at, registrationIds, dose: 2, at: '2027-02-01T05:00:00Z' });
    await rows.doses({ ...at, at: '2027-02-01T09:10:00Z' });
    const { id: vaccinatorId } = await t.user();
    await rows.doses({ ...at, people: 30, vaccinatorId, at: '2027-02-01T03:40:00Z' });
    await rows.doses({ ...at, people: 11, vaccinatorId, at: '2027-02-01T04:35:00Z' });
    const { body, text } = await get('anomalies', { centre: centreId });
    expect(body['items'].map(({ kind, centre, value }: never) => [kind, centre, value])).toEqual([
      ['too_fast', code, 41],
      ['same_lot', code, 62],
      ['outside_hours', code, 10],
    ]);
    expect(text).not.toMatch(/Test Person|01712345678|1234"/);
    expect(await auditCount()).toBeGreaterThan(0);
  });

  const auditCount = async (): Promise<number> => {
    const sql = `select count(*)::int as n from audit_events where action = 'vaccination_report.anomalies_viewed' and actor_id = $1`;
    return (await t.dataSource.query(sql, [analyst.id]))[0].n;
  };
});

describe('every report', () => {
  it('answers 403 without the permission view_vaccine_reports', async () => {
    const { token } = await t.user('manage_vaccines');
    for (const kind of KINDS) {
      for (const form of ['', '.csv', '.svg']) {
        expect((await t.request('GET', `${REPORTS}/${kind}${form}`, { token })).status).toBe(403);
      }
    }
  });

  it('is sent as CSV in which a spreadsheet runs no formula', async () => {
    const { centreId, ...ids } = await place({ centre: { district: '=HYPERLINK("https://evil.example","x")' } });
    await rows.doses({ centreId, ...ids, people: 5, at: '2027-02-04T05:00:00Z' });
    const { text, headers } = await get('coverage.csv', { centre: centreId, by: 'district,day' });
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(headers.get('content-disposition')).toBe('attachment; filename="coverage.csv"');
    expect(text).toBe(`district,day,doses\r\n"'=HYPERLINK(""https://evil.example"",""x"")",2027-02-04,5\r\n`);
    for (const kind of KINDS) expect((await get(`${kind}.csv`, { centre: centreId })).text).toMatch(/^\w+(,\w+)+\r\n/);
  });

  it('is sent as an SVG chart in which texts are escaped', async () => {
    const { centreId, ...ids } = await place({ centre: { district: `<script>alert(1)</script> & "'` } });
    await rows.doses({ centreId, ...ids, people: 5, at: '2027-02-04T05:00:00Z' });
    const { text, headers } = await get('coverage.svg', { centre: centreId, by: 'district' });
    expect(headers.get('content-type')).toMatch(/^image\/svg\+xml/);
    expect(text).toContain('<title>&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;&#39;: 5</title>');
    expect(text).not.toContain('<script');
    for (const kind of KINDS)
      expect((await get(`${kind}.svg`, { centre: centreId })).text).toMatch(/^<svg [^]*<\/svg>\n$/);
  });

  it('is answered within 3 s with many doses', async () => {
    const { centreId, vaccineId, lotId, sessionId } = await place();
    const [registrationId] = await rows.registrations(1);
    const [appointmentId] = await rows.appointments(sessionId, [registrationId!], 'fulfilled');
    await t.dataSource.query('drop index vaccination_doses_appointment_id_key'); // all doses are of one appointment
    await t.queryWithoutTimeLimit(
      `insert into vaccination_doses (id, registration_id, appointment_id, centre_id, vaccine_id, lot_id, disease, dose, status,
         site, route, given_at, created_at)
       select gen_random_uuid(), $1, $2, $3, $4, $5, 'x' || n, 1, 'completed', 'LA', 'IM',
         timestamptz '2026-08-01' + n * interval '3 minutes', now()
       from generate_series(1, $6::integer) n`,
      [registrationId, appointmentId, centreId, vaccineId, lotId, rounds(10_000, 100_000)],
    );
    await t.queryWithoutTimeLimit('analyze');
    const filters = { centre: centreId, from: '2026-08-01' };
    for (const [path, query] of [
      ['coverage', { ...filters, by: 'day' }],
      ['coverage', { ...filters, by: 'sex,age_band,week' }],
      ['anomalies', { centre: centreId, from: '2027-02-01', to: '2027-02-08' }],
    ] as const) {
      const start = performance.now();
      expect((await get(path, query)).status).toBe(200);
      expect(performance.now() - start).toBeLessThan(3_000);
    }
  });
});

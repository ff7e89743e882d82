import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACCESS_TABLE } from '../../support/api/access-table.js';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';

const REASON = 'reason=The%20person%20is%20here';

/** Routes by which the staff of a centre reads the record of a person, with the paths after /api/vaccination. */
const READS: Record<string, string> = {
  'GET registrations/:id': 'registrations/{person}?',
  'GET doses/:id': 'doses/{dose}?',
  'GET doses/:id/certificate.pdf': 'doses/{dose}/certificate.pdf?',
  'GET adverse-events': 'adverse-events?centre_id={centre}&',
  'GET lots/:id/recipients': 'lots/{recalled}/recipients?',
  'GET sessions/:id/day-sheet': 'sessions/{session}/day-sheet?',
  'GET sessions/:id/day-sheet.csv': 'sessions/{session}/day-sheet.csv?',
  'GET sessions/:id/day-sheet.pdf': 'sessions/{session}/day-sheet.pdf?',
  'GET fhir/Patient/:id': 'fhir/Patient/{person}?',
  'GET fhir/Patient/:id/$everything': 'fhir/Patient/{person}/$everything?',
  'GET fhir/Immunization/:id': 'fhir/Immunization/{dose}?',
  'GET fhir/ImmunizationRecommendation/:id': 'fhir/ImmunizationRecommendation/{person}?',
  'GET fhir/Appointment/:id': 'fhir/Appointment/{appointment}?',
};

/** Searches find nobody where a read is refused. */
const SEARCHES: Record<string, string> = {
  'GET fhir/Patient': 'fhir/Patient?_id={person}&',
  'GET fhir/Immunization': 'fhir/Immunization?patient={person}&',
  'GET fhir/ImmunizationRecommendation': 'fhir/ImmunizationRecommendation?patient={person}&',
  'GET fhir/Appointment': 'fhir/Appointment?patient={person}&',
};

const TIMES = { starts_at: '2027-01-20T03:00:00Z', ends_at: '2027-01-20T06:00:00Z', opens_at: '2027-01-19T03:00:00Z' };
const PLAN = { centre_id: '{centre}', vaccine_id: '{vaccine}', capacity: 10 };
const DAYS = { from: '2027-02-01', to: '2027-02-07', weekdays: ['mon'], opens_days_before: 3 };

/** The other routes for the staff of a centre, which name no person, or answer what the caller has just changed. */
const OTHERS: Record<string, [path: string, body?: object]> = {
  'GET centres/:id/staff': ['centres/{centre}/staff'],
  'PUT centres/:id/staff/:user_id': ['centres/{centre}/staff/{user}', { role: 'manager' }],
  'DELETE centres/:id/staff/:user_id': ['centres/{centre}/staff/{user}'],
  'GET lots': ['lots?centre_id={centre}'],
  'POST lots': [
    'lots',
    { centre_id: '{centre}', vaccine_id: '{vaccine}', number: 'X1', expires_on: '2027-06-30', received: 1 },
  ],
  'GET lots/:id': ['lots/{lot}'],
  'PATCH lots/:id': ['lots/{lot}', { received: 5 }],
  'POST lots/:id/recall': ['lots/{lot}/recall', { reason: 'Too warm.' }],
  'GET sessions': ['sessions?status=draft&centre={centre}'],
  'POST sessions': ['sessions', { ...PLAN, ...TIMES }],
  'POST sessions/recurring': ['sessions/recurring', { ...PLAN, ...DAYS, start_time: '09:00', end_time: '12:00' }],
  'GET sessions/:id': ['sessions/{draft}'],
  'PATCH sessions/:id': ['sessions/{session}', { capacity: 50 }],
  'POST sessions/:id/open': ['sessions/{session}/open'],
  'POST sessions/:id/close': ['sessions/{session}/close'],
  'POST sessions/:id/cancel': ['sessions/{session}/cancel', { reason: 'Late.' }],
  'POST sessions/:id/walk-ins': ['sessions/{session}/walk-ins', { registration_id: '{person}' }],
  'POST appointments/:id/check-in': ['appointments/{appointment}/check-in', { override_reason: 'No phone.' }],
  'POST appointments/:id/no-show': ['appointments/{appointment}/no-show'],
  'POST doses': ['doses', { appointment_id: '{appointment}', lot_id: '{lot}', site: 'LA', route: 'IM' }],
  'POST doses/:id/entered-in-error': ['doses/{dose}/entered-in-error', { reason: 'Wrong.' }],
  'POST adverse-events': [
    'adverse-events',
    { dose_id: '{dose}', code: 'rash', severity: 'mild', is_serious: false, onset_at: '2027-01-18T04:00:00Z' },
  ],
  'POST adverse-events/:id/entered-in-error': ['adverse-events/{event}/entered-in-error', { reason: 'Wrong.' }],
  'GET fhir/Slot/:id': ['fhir/Slot/{draft}'],
};

/** Routes at which a stranger's request is answered as if the record did not exist. */
const HIDDEN: Record<string, string> = {
  'GET lots/:id': 'lot_not_found',
  'PATCH lots/:id': 'lot_not_found',
  'POST lots/:id/recall': 'lot_not_found',
  'GET lots/:id/recipients': 'lot_not_found',
  'GET sessions/:id': 'vaccination_session_not_found',
  'GET registrations/:id': 'registration_not_found',
};

/** Routes for people about themselves and their dependants: nobody else finds the record, whatever they may do elsewhere. */
const OWNERS: Record<string, [code: string, path: string, body?: object]> = {
  'POST sessions/:id/waitlist': [
    'registration_not_found',
    'sessions/{session}/waitlist',
    { registration_id: '{person}' },
  ],
  'DELETE sessions/:id/waitlist/:registration_id': ['registration_not_found', 'sessions/{session}/waitlist/{person}'],
  'PATCH registrations/:id': ['registration_not_found', 'registrations/{person}', { phone: '01812345678' }],
  'DELETE registrations/:id': ['registration_not_found', 'registrations/{person}'],
  'GET registrations/:id/export': ['registration_not_found', 'registrations/{person}/export'],
  'POST registrations/:id/withdraw': ['registration_not_found', 'registrations/{person}/withdraw'],
  'GET registrations/:id/eligibility': ['registration_not_found', 'registrations/{person}/eligibility'],
  'POST appointments': [
    'registration_not_found',
    'appointments',
    { registration_id: '{person}', session_id: '{session}' },
  ],
  'GET appointments/:id': ['appointment_not_found', 'appointments/{appointment}'],
  'PATCH appointments/:id': ['appointment_not_found', 'appointments/{appointment}', { session_id: '{draft}' }],
  'DELETE appointments/:id': ['appointment_not_found', 'appointments/{appointment}'],
  'POST certificates': ['dose_not_found', 'certificates', { dose_id: '{dose}' }],
  ...Object.fromEntries(
    ['', '.png', '.svg', '.pdf', '.smart-health-card'].map((suffix): [string, [string, string]] => [
      `GET certificates/:id${suffix}`,
      ['certificate_not_found', `certificates/{certificate}${suffix}`],
    ]),
  ),
};

/** Lists of what belongs to the caller. */
const OWN_LISTS = ['registrations/me', 'appointments/me', 'doses/me', 'certificates/me', 'sessions/{session}/waitlist'];

/** Routes at which nothing concerns a centre or another person. */
const HARMLESS = [
  'GET vaccines',
  'GET vaccines/:id',
  'GET centres',
  'GET centres/:id',
  'GET fhir/Slot',
  'POST registrations',
];

let t: TestApp;
let chief: SignedInUser;
let stranger: SignedInUser;
let other: SignedInUser;
let verifier: SignedInUser;
const ids: Record<string, string> = {};
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
  const day = await vaccinationDay(t);
  chief = await day.staff(day.centreId, 'manager');
  stranger = await day.staff((await day.centre()).id, 'manager');
  [other, verifier] = [await t.user(), await t.user('verify_registrations')];
  const given = await day.visitor();
  const lot = await day.lot();
  const body = { appointment_id: given.appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' };
  const { body: dose } = await t.request('POST', '/api/vaccination/doses', { token: chief.token, body });
  await t.dataSource.query('update vaccine_lots set recalled_at = now() where id = $1', [lot.id]);
  const [certificate] = await t.dataSource.query<{ id: string }[]>('select id from vaccination_certificates');
  const fever = { code: 'fever', severity: 'mild', is_serious: false, onset_at: '2027-01-18T04:00:00Z' } as const;
  const { body: event } = await t.request('POST', '/api/vaccination/adverse-events', {
    token: chief.token,
    body: { dose_id: dose.id, ...fever },
  });
  Object.assign(ids, {
    centre: day.centreId,
    vaccine: day.vaccineId,
    user: chief.id,
    recalled: lot.id,
    lot: (await day.lot()).id,
    session: given.sessionId,
    draft: (await day.session({ status: 'draft' })).id,
    certificate: certificate!.id,
    person: given.registrationId,
    appointment: given.appointmentId,
    dose: dose.id,
    event: event.id,
  });
});
afterAll(() => t.stop());

const fill = (text: string): string => text.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name]!);

function call(route: string, path: string, { token }: SignedInUser, body?: object) {
  const sent = body === undefined ? {} : { body: JSON.parse(fill(JSON.stringify(body))) as object };
  return t.request(route.split(' ')[0]! as 'GET', `/api/vaccination/${fill(path)}`, { token, ...sent });
}

/** Who read the record of the person, and why, since the last call. */
let seen = '0';
async function readsOfPerson(): Promise<object[]> {
  const rows = await t.dataSource.query<{ id: string; actor_id: string; details: object }[]>(
    `select id, actor_id, details from audit_events where action = 'registration.viewed' and subject_id = $1 and id > $2
      order by id`,
    [ids['person'], seen],
  );
  seen = rows.at(-1)?.id ?? seen;
  return rows.map(({ actor_id, details }) => ({ actor_id, details }));
}

it('every route for signed-in users is listed here: what the staff of a centre may read and do, and what is not for them', () => {
  const routes = Object.entries(ACCESS_TABLE)
    .filter(([, access]) => access === 'signed in' || access === 'answers 401 itself')
    .flatMap(([route]) => (route.includes(' /api/vaccination/') ? [route.replace('/api/vaccination/', '')] : []));
  const listed = [...Object.keys(READS), ...Object.keys(SEARCHES), ...Object.keys(OTHERS), ...Object.keys(OWNERS)];
  listed.push(...OWN_LISTS.map((path) => `GET ${path.replace('{session}', ':id')}`), ...HARMLESS);
  expect(listed.toSorted()).toEqual(routes.toSorted());
});

describe('Staff of another centre', () => {
  const reads = Object.entries(READS).map(([route, path]) => [route, `${path}${REASON}`, undefined] as const);
  const others = Object.entries(OTHERS).map(([route, [path, body]]) => [route, path, body] as const);

  it.each([...reads, ...others])('is refused by %s', async (route, path, body) => {
    const answer = await call(route, path, stranger, body);
    const hidden = HIDDEN[route];
    if (route.startsWith('GET fhir/')) expect([route, answer.status]).toEqual([route, 404]);
    else {
      const refusal = hidden === undefined ? [403, 'forbidden'] : [404, hidden];
      expect([route, answer.status, (answer.body as { code: string }).code]).toEqual([route, ...refusal]);
    }
    expect(await readsOfPerson()).toEqual([]);
  });

  it.each(Object.entries(SEARCHES))('finds nobody by %s', async (route, path) => {
    const { status, body } = await call(route, `${path}${REASON}`, stranger);
    expect([route, status, (body as { entry?: object[] }).entry]).toEqual([route, 200, undefined]);
    expect(await readsOfPerson()).toEqual([]);
  });
});

describe('Staff of the centre', () => {
  it.each(Object.entries({ ...READS, ...SEARCHES }))(
    'reads a person by %s only with a reason, which is audited',
    async (route, path) => {
      const silent = await call(route, path.slice(0, -1), chief);
      expect([route, silent.status, silent.text.includes('Visitor')]).toEqual([route, 422, false]);
      expect(await readsOfPerson()).toEqual([]);
      const answer = await call(route, `${path}${REASON}`, chief);
      expect([route, answer.status]).toEqual([route, 200]);
      expect(await readsOfPerson()).toEqual([{ actor_id: chief.id, details: { reason: 'The person is here' } }]);
    },
  );
});

it('The permission manage_vaccines gives no access to the record of a person, but for the recipients of a recalled lot', async () => {
  const manager = await t.user('manage_vaccines');
  for (const [route, path] of Object.entries(READS)) {
    const { status } = await call(route, `${path}${REASON}`, manager);
    const expected = route === 'GET lots/:id/recipients' ? 200 : [403, 404].find((each) => each === status);
    expect([route, status]).toEqual([route, expected]);
  }
  expect(await readsOfPerson()).toHaveLength(1);
  expect((await call('GET doses/:id', `doses/${uuidv7()}?${REASON}`, manager)).status).toBe(404);
});

describe('What belongs to a person', () => {
  /** All rows that a request of somebody else could change. */
  const rowsOfPerson = () =>
    t.dataSource.query<object[]>(
      `select r::text as row from vaccination_registrations r where id = $1
        union all select a::text from vaccination_appointments a where registration_id = $1
        union all select c::text from vaccination_certificates c
        union all select w::text from vaccination_waitlist_entries w order by 1`,
      [ids['person']],
    );

  it.each(Object.entries(OWNERS))(
    'is hidden at %s from other users, the staff of the centre, verifiers and administrators',
    async (route, [code, path, body]) => {
      const before = await rowsOfPerson();
      const admin = { ...chief, token: await t.asAdmin() };
      for (const caller of [other, chief, stranger, verifier, admin]) {
        const answer = await call(route, path, caller, body);
        expect([route, answer.status, (answer.body as { code: string }).code]).toEqual([route, 404, code]);
      }
      expect(await rowsOfPerson()).toEqual(before);
    },
  );

  it.each(OWN_LISTS)('is not in %s of others', async (path) => {
    for (const caller of [other, chief, verifier]) {
      const { status, body } = await call('GET list', path, caller);
      expect([path, status, (body as { items: object[] }).items]).toEqual([path, 200, []]);
    }
  });
});

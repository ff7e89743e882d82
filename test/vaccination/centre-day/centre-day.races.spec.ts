import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';

/** Diseases of vaccines: a person can have an appointment against each. */
const DISEASES = ['840539006', '6142004', '14189004'];

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let chief: SignedInUser;
let owners: SignedInUser[];
let vaccines: string[];
beforeAll(async () => {
  t = await startApp({ env: { RATE_LIMITS: 'off' } });
  t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
  day = await vaccinationDay(t);
  chief = await day.staff(day.centreId, 'manager');
  owners = await Promise.all([t.user(), t.user()]);
  vaccines = await Promise.all(DISEASES.map(async (disease) => (await day.vaccine({ disease })).id));
  await t.warmUp();
});
afterAll(() => t.stop());

const post = (path: string, body: object, { token } = chief) =>
  t.request('POST', `/api/vaccination/${path}` as '/api/vaccination/doses', { token, body });

const remove = ({ token }: SignedInUser, id: string) =>
  t.request('DELETE', `/api/vaccination/registrations/${id}`, { token });

/** What must hold for all sessions and lots. Each query returns what is wrong. */
const INVARIANTS = {
  counters: `select s.id from vaccination_sessions s where (s.booked, s.walk_ins) <> (
    select count(*) filter (where not a.is_walk_in), count(*) filter (where a.is_walk_in)
    from vaccination_appointments a where a.session_id = s.id and a.status <> 'cancelled')`,
  stock: `select l.id from vaccine_lots l where l.used <> (
    select count(*) from vaccination_doses d where d.lot_id = l.id and not d.is_stock_returned)`,
  recalled: `select d.id from vaccination_doses d join vaccine_lots l on l.id = d.lot_id where d.created_at > l.recalled_at`,
  deleted: `select a.id from vaccination_appointments a join vaccination_registrations r on r.id = a.registration_id
    where r.status = 'withdrawn' and a.status in ('booked', 'checked_in')`,
  cancelled: `select a.id from vaccination_appointments a join vaccination_sessions s on s.id = a.session_id
    where s.status = 'cancelled' and a.status in ('booked', 'checked_in')`,
};

it('doses, walk-ins, bookings, recalls, cancelled sessions and deleted people at once deadlock never and keep all counts', async () => {
  const answered: Record<string, number> = {};
  const count = async (name: string, answer: Promise<{ status: number }>): Promise<void> => {
    const { status } = await answer;
    answered[`${name} ${status}`] = (answered[`${name} ${status}`] ?? 0) + 1;
  };
  const errors = () => Object.keys(answered).filter((name) => / 5\d\d$/.test(name));
  for (let round = 0; round < 25; round++) {
    const open = (vaccine_id: string, days: number) =>
      day.session({ vaccine_id, days, capacity: 30, walk_in_capacity: 4 }).then(({ id }) => id);
    const today = await Promise.all(vaccines.map((vaccine) => open(vaccine, 0)));
    const tomorrow = await Promise.all(vaccines.map((vaccine) => open(vaccine, 1)));
    const lots = await Promise.all(
      vaccines.map(async (vaccine_id) => (await day.lot({ vaccine_id, received: 30 })).id),
    );
    const visit = async (owner: SignedInUser, place: number) => {
      const registrationId = await day.person(owner, { place });
      const come = (index: number) =>
        day.visitor({ registrationId, sessionId: today[index]!, disease: DISEASES[index]! });
      const visits = [await come(0), await come(1)];
      return async (): Promise<void> => {
        const doses = visits.map(({ appointmentId }, index) =>
          post('doses', { appointment_id: appointmentId, lot_id: lots[index]!, site: 'LA', route: 'IM' }),
        );
        // At once for the first two, during the second request for the next two, never for the last one.
        const start = place < 2 ? Promise.resolve() : Promise.race(doses);
        const place3 = { registration_id: registrationId, session_id: tomorrow[2]! };
        await Promise.all([
          ...doses.map((dose) => count('dose', dose)),
          place % 2 === 0
            ? count('booking', post('appointments', place3, owner))
            : count('walk-in', post(`sessions/${today[2]}/walk-ins`, { registration_id: registrationId })),
          place < 4 ? start.then(() => count('deletion', remove(owner, registrationId))) : undefined,
        ]);
      };
    };
    const people = owners.flatMap((owner) => [0, 1, 2, 3, 4].map((place) => visit(owner, place)));
    const starts = await Promise.all(people);
    await Promise.all([
      ...starts.map((start) => start()),
      count('recall', post(`lots/${lots[0]}/recall`, { reason: 'Too warm.' })),
      count('cancel', post(`sessions/${today[1]}/cancel`, { reason: 'Late.' })),
      count('cancel', post(`sessions/${tomorrow[2]}/cancel`, { reason: 'Late.' })),
    ]);
    if (errors().length > 0) break;
    await t.dataSource.query('update vaccination_registrations set user_id = null where place = 4'); // makes room
  }
  expect(errors()).toEqual([]);
  expect(Object.keys(answered)).toEqual(
    expect.arrayContaining(['dose 201', 'deletion 200', 'recall 200', 'cancel 200']),
  );
  for (const [name, sql] of Object.entries(INVARIANTS)) {
    expect([name, await t.dataSource.query(sql)]).toEqual([name, []]);
  }
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';

const PATH = '/api/vaccination/recalls';
const REASON = 'The cold chain was broken.';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let here: Place;
let there: Place;

interface Place {
  centreId: string;
  vaccinator: SignedInUser;
}

beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
  day = await vaccinationDay(t);
  const { id: other } = await day.centre();
  [here, there] = [
    { centreId: day.centreId, vaccinator: await day.staff(day.centreId, 'vaccinator') },
    { centreId: other, vaccinator: await day.staff(other, 'vaccinator') },
  ];
  await t.dataSource.query(`create table told (dose_id uuid);
    create function copy_notice() returns trigger language plpgsql as $$
    begin insert into told values (new.dose_id); return null; end $$;
    create trigger copy_notice after insert on vaccination_notices for each row when (new.kind = 'lot_recalled')
      execute function copy_notice()`);
});
afterAll(() => t.stop());

const recall = (number: string, { token } = day.manager, reason = REASON) =>
  t.request('POST', PATH, { token, body: { vaccine_id: day.vaccineId, number, reason } });

const addLot = (number: string, centre_id: string) =>
  t.request('POST', '/api/vaccination/lots', {
    token: day.manager.token,
    body: { centre_id, vaccine_id: day.vaccineId, number, expires_on: '2027-06-30', received: 10 },
  });

const record = ({ vaccinator: { token } }: Place, appointment_id: string, lot_id: string) =>
  t.request('POST', '/api/vaccination/doses', { token, body: { appointment_id, lot_id, site: 'LA', route: 'IM' } });

/** A dose at a place, for a new person or as the second one, 28 days after the first. */
async function give(place: Place, lotId: string, earlier?: { registrationId: string; doseId: string }) {
  const { id: sessionId } = await day.session({ centre_id: place.centreId });
  const second = earlier && { registrationId: earlier.registrationId, dose: 2 };
  const back = `update vaccination_doses set given_at = given_at - interval '28 days' where id = $1`;
  if (earlier) await t.dataSource.query(back, [earlier.doseId]);
  const visitor = await day.visitor({ sessionId, ...second });
  const { body } = await record(place, visitor.appointmentId, lotId);
  return { ...visitor, doseId: body.id };
}

/** Imports lots at a centre. */
async function sendLots(centreId: string, numbers: string[]) {
  const [codes] = await t.dataSource.query<[{ centre: string; vaccine: string }]>(
    'select c.code as centre, v.code as vaccine from vaccination_centres c, vaccines v where c.id = $1 and v.id = $2',
    [centreId, day.vaccineId],
  );
  const rows = numbers.map((number) => `${codes.centre},${codes.vaccine},${number},2027-06-30,10\n`);
  return t.request('POST', '/api/vaccination/imports/lots', {
    token: day.manager.token,
    headers: { 'content-type': 'text/csv' },
    body: `centre,vaccine,number,expires_on,received\n${rows.join('')}`,
  });
}

const toldOf = async (doseIds: string[]): Promise<string[]> =>
  (await t.dataSource.query<{ dose_id: string }[]>('select dose_id from told where dose_id = any ($1)', [doseIds])).map(
    ({ dose_id }) => dose_id,
  );

it('POST recalls a lot at all centres, whatever the case of its number, and everyone who got it is told once', async () => {
  const [ours, theirs] = [(await addLot('FA-1', here.centreId)).body, (await addLot('fa-1', there.centreId)).body];
  const unlike = (await addLot('FA-10', there.centreId)).body;
  const first = await give(here, ours.id);
  const [second, other, safe] = [
    await give(there, theirs.id, first),
    await give(there, theirs.id),
    await give(there, unlike.id),
  ];
  const { status, body, headers } = await recall('Fa-1');
  expect([status, body, headers.get('location')]).toEqual([
    201,
    {
      id: expect.any(String),
      vaccine_id: day.vaccineId,
      number: 'Fa-1',
      reason: REASON,
      created_at: '2027-01-18T04:00:00.000Z',
    },
    `${PATH}/${body.id}`,
  ]);
  const all = [first, second, other, safe].map(({ doseId }) => doseId);
  expect((await toldOf(all)).toSorted()).toEqual([second.doseId, other.doseId].toSorted());
  for (const [place, lot] of [[here, ours] as const, [there, theirs] as const]) {
    const { id: sessionId } = await day.session({ centre_id: place.centreId });
    const { appointmentId } = await day.visitor({ sessionId });
    expect((await record(place, appointmentId, lot.id)).body).toMatchObject({ status: 409, code: 'lot_recalled' });
  }
  const audited = await t.dataSource.query<object[]>(
    `select subject_id, details from audit_events where actor_id = $1 and action like '%recall%' order by id`,
    [day.manager.id],
  );
  expect(audited).toEqual([
    ...[ours.id, theirs.id].map((subject_id) => ({ subject_id, details: { reason: REASON } })),
    { subject_id: body.id, details: { vaccine_id: day.vaccineId, number: 'Fa-1', reason: REASON, lots: 2 } },
  ]);

  const again = await recall('FA-1', day.manager, 'Another reason');
  expect([again.status, again.body]).toEqual([200, body]);
  expect(await toldOf(all)).toHaveLength(2);
  expect((await t.request('GET', `${PATH}/${body.id}`, { token: day.manager.token })).body).toEqual(body);
  expect((await t.request('GET', PATH, { token: day.manager.token })).body).toMatchObject({ items: [body] });
});

it('GET recipients lists the people at all centres in pages, and audits each read with the reason', async () => {
  const [ours, theirs] = [(await addLot('FB-1', here.centreId)).body, (await addLot('FB-1', there.centreId)).body];
  const people = [await give(here, ours.id), await give(there, theirs.id), await give(here, ours.id)];
  const { id } = (await recall('FB-1')).body;
  const list = (query: string, { token } = day.manager) =>
    t.request('GET', `${PATH}/${id}/recipients?${query}`, { token });
  const first = await list('limit=2&reason=Calling');
  const second = await list(`limit=2&reason=Calling&cursor=${first.body.next_cursor}`);
  expect(second.body.next_cursor).toBeNull();
  expect([first, second].flatMap(({ body }) => body.items).map((item) => [item.dose_id, item.centre_id])).toEqual([
    [people[0]!.doseId, here.centreId],
    [people[1]!.doseId, there.centreId],
    [people[2]!.doseId, here.centreId],
  ]);
  for (const { registrationId } of people) {
    const views = await t.dataSource.query<object[]>(
      `select actor_id, details from audit_events where action = 'registration.viewed' and subject_id = $1`,
      [registrationId],
    );
    expect(views).toEqual([{ actor_id: day.manager.id, details: { reason: 'Calling' } }]);
  }
  expect((await list('limit=2')).body).toMatchObject({ status: 422, code: 'validation_failed' });
  const chief = await day.staff(here.centreId, 'manager');
  expect((await list('reason=Calling', chief)).body).toMatchObject({ status: 403, code: 'forbidden' });
});

it('a recalled lot cannot be added to the stock of a centre, but a file with it can be imported again', async () => {
  await addLot('FC-1', here.centreId);
  await recall('fc-1');
  expect((await addLot('FC-1', there.centreId)).body).toMatchObject({ status: 409, code: 'lot_recalled' });
  const importLot = (centreId: string) => sendLots(centreId, ['FC-1']);
  expect((await importLot(here.centreId)).body).toMatchObject({ unchanged: 1, errors: [] });
  expect((await importLot(there.centreId)).body).toMatchObject({
    code: 'import_refused',
    errors: [{ row: 2, column: 'number', code: 'lot_recalled' }],
  });
});

it('a number is the same in imports, recalls and the database, also with letters that have several lower cases', async () => {
  const pairs = [
    ['\u0130-1', 'i-1'],
    ['\u0391\u03a3', '\u03b1\u03c3'],
    ['\u212a-1', 'k-1'],
  ] as const;
  for (const [written, other] of pairs) {
    expect((await addLot(written, here.centreId)).status).toBe(201);
    const isOne = (await addLot(other, here.centreId)).status === 409; // by the locale of the database
    expect((await sendLots(here.centreId, [written])).body).toMatchObject({ unchanged: 1, errors: [] });
    const both = await sendLots(there.centreId, [written, other]);
    expect([written, both.status]).toEqual([written, isOne ? 422 : 200]);
    await recall(other);
    const { id: third } = await day.centre();
    expect([written, (await addLot(written, third)).status]).toEqual([written, isOne ? 409 : 201]);
  }
});

it('answers 404 for an unknown vaccine and an unknown recall, and 422 for a reason with a phone number', async () => {
  const body = { vaccine_id: here.centreId, number: 'X', reason: REASON };
  const { token } = day.manager;
  expect((await t.request('POST', PATH, { token, body })).body.code).toBe('vaccine_not_found');
  expect((await t.request('GET', `${PATH}/${here.centreId}`, { token })).body.code).toBe('recall_not_found');
  expect((await recall('X', day.manager, 'Call 0171 234 5678')).body).toMatchObject({ status: 422 });
});

it('of 20 lots that are added while their number is recalled, each is refused or recalled', async () => {
  const centres = await Promise.all(Array.from({ length: 20 }, async () => (await day.centre()).id));
  for (let round = 0; round < 5; round++) {
    await t.warmUp();
    const number = `RACE-${round}`;
    const added = centres.map((centre) => addLot(number, centre));
    const [answers, recalled] = await Promise.all([Promise.all(added), recall(number)]);
    expect(recalled.status).toBe(201);
    const codes = answers.map(({ status, body }) => (status === 201 ? 'added' : (body as { code?: string }).code));
    expect(codes.filter((code) => code !== 'added' && code !== 'lot_recalled')).toEqual([]);
    const usable = 'select from vaccine_lots where number = $1 and recalled_at is null';
    expect(await t.dataSource.query(usable, [number])).toEqual([]);
  }
});

it('POST of a lot answers 409 lot_recalled for a recalled one, also when the id of the vaccine is in capital letters', async () => {
  await recall('FU-1');
  const body = { centre_id: here.centreId.toUpperCase(), number: 'fu-1', expires_on: '2027-06-30', received: 10 };
  const { token } = day.manager;
  const add = (vaccine_id: string, number = 'fu-1') =>
    t.request('POST', '/api/vaccination/lots', { token, body: { ...body, vaccine_id, number } });
  for (const id of [day.vaccineId, day.vaccineId.toUpperCase()]) {
    expect((await add(id)).body).toMatchObject({ status: 409, code: 'lot_recalled' });
  }
  const { vaccineId: vaccine_id } = day;
  expect((await add(vaccine_id.toUpperCase(), 'FU-2')).body).toMatchObject({ vaccine_id, centre_id: here.centreId });
});

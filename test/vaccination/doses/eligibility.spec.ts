import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { insertPerson } from '../../support/vaccination/bookings.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-17T17:59:00Z'));
  world = await vaccinationWorld(t);
});
afterAll(() => t.stop());

const eligibility = (token: string, id: string, query = '') =>
  t.request('GET', `/api/vaccination/registrations/${id}/eligibility${query}`, { token });

it('answers next dose, earliest day and reasons for every active vaccine, and counts the birthday from midnight in Dhaka', async () => {
  const vaccine = await world.vaccine();
  const retired = await world.vaccine({ is_active: false });
  const user = await t.user();
  const person = await insertPerson(t, user, { date_of_birth: '2015-01-18' });
  const before = await eligibility(user.token, person);
  expect(before.body).toMatchObject({ registration_id: person, today: '2027-01-17' });
  const of = ({ body }: typeof before, id: string) =>
    body['items'].find((item: { vaccine: { id: string } }) => item.vaccine.id === id);
  expect(of(before, vaccine.id)).toMatchObject({
    is_eligible: false,
    next_dose: 1,
    earliest_day: '2027-01-18',
    reasons: ['too_young'],
  });
  expect(of(before, retired.id)).toBeUndefined();
  t.clock.advance(60_000);
  const after = await eligibility(user.token, person);
  expect(after.body['today']).toBe('2027-01-18');
  expect(of(after, vaccine.id)).toMatchObject({ is_eligible: true, reasons: [], earliest_day: '2027-01-18' });
});

it('counts days in the time zone of the centre that the query names', async () => {
  const vaccine = await world.vaccine();
  const { id: centre } = await world.centre({ time_zone: 'America/New_York' });
  const user = await t.user();
  const person = await insertPerson(t, user, { date_of_birth: '2015-01-18' });
  const { body } = await eligibility(user.token, person, `?vaccine=${vaccine.id}&centre=${centre}`);
  expect(body).toMatchObject({ today: '2027-01-17' });
  expect(body['items']).toMatchObject([{ is_eligible: false, reasons: ['too_young'] }]);
});

it('shows nothing of the people of other accounts, also to administrators', async () => {
  const person = await insertPerson(t, await t.user());
  for (const token of [(await t.user()).token, await t.asAdmin()]) {
    expect((await eligibility(token, person)).body).toMatchObject({ status: 404, code: 'registration_not_found' });
  }
});

it('answers 404 for an unknown vaccine or centre and 422 for ids that are none', async () => {
  const user = await t.user();
  const person = await insertPerson(t, user);
  const unknown = '0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b';
  const codeOf = async (query: string) => (await eligibility(user.token, person, query)).body['code'];
  expect(await codeOf(`?vaccine=${unknown}`)).toBe('vaccine_not_found');
  expect(await codeOf(`?centre=${unknown}`)).toBe('centre_not_found');
  expect(await codeOf('?vaccine=1')).toBe('validation_failed');
});

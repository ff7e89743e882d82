import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../support/app.js';
import { nationalId, vaccinationWorld } from '../support/vaccination/vaccination.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let vaccineId: string;
beforeAll(async () => {
  t = await startApp({ env: { DEFAULT_VACCINE: 'DEFAULT-1' } });
  world = await vaccinationWorld(t);
  await world.vaccine();
  vaccineId = (await world.vaccine({ code: 'DEFAULT-1' })).id;
});
afterAll(() => t.stop());

const post = (path: string, body: object) => t.request('POST', path, { body });

/** A user as the old front end creates one. */
async function createUser(nid = nationalId()) {
  const email = `${randomBytes(5).toString('hex')}@example.org`;
  const body = { name: 'Noor Haque', email, password: PASSWORD, nid, phone_number: '01700 000-000' };
  expect((await post('/api/create', body)).status).toBe(201);
  return { nid, token: await t.signIn(email, PASSWORD) };
}

describe('the first service of the vaccine registration', () => {
  it('registers, approves and shows a user whom POST /create made, from a token in the body', async () => {
    const { token, nid } = await createUser();
    const staff = await t.user('verify_registrations');
    expect(await post('/api/myvaccine', { token })).toMatchObject({ status: 201, body: [null] });
    const created = await post('/api/create', { token });
    expect([created.status, created.body]).toEqual([201, { success: true }]);
    expect((await post('/api/create', { token })).body).toMatchObject({ status: 409 });

    const { body: mine, text } = await post('/api/myvaccine', { token });
    const [registration] = mine as unknown as { id: string; created_at: string }[];
    expect(mine).toEqual([
      {
        id: registration!.id,
        vaccine_id: vaccineId,
        vaccination_date: null,
        verified: false,
        certificate_url: null,
        created_at: registration!.created_at,
      },
    ]);
    expect(text).not.toContain(nid);

    const all = await post('/api/allvaccines', { token: staff.token });
    expect([all.status, all.body]).toEqual([200, expect.arrayContaining([expect.objectContaining(registration!)])]);
    const approved = await post('/api/approve', { token: staff.token, vaccination_id: registration!.id });
    expect([approved.status, approved.body]).toEqual([200, { success: true }]);
    expect((await post('/api/myvaccine', { token })).body).toMatchObject([{ verified: true, certificate_url: null }]);
    const events = await t.dataSource.query<{ action: string }[]>(
      'select action from audit_events where subject_id = $1 order by id',
      [registration!.id],
    );
    expect(events.map(({ action }) => action)).toEqual([
      'registration.created',
      'registration.viewed',
      'registration.verified',
    ]);
  });

  it('lets the user add the date of birth that the old form does not ask for', async () => {
    const { token } = await createUser(`1990${nationalId()}`);
    await post('/api/create', { token });
    const path = '/api/vaccination/registrations';
    const [own] = (await t.request('GET', `${path}/me`, { token })).body.items;
    expect(own).toMatchObject({
      legal_name: 'Noor Haque',
      date_of_birth: null,
      id_type: 'NID',
      phone: '+8801700000000',
    });
    const patch = (date_of_birth: string) =>
      t.request('PATCH', `${path}/${own!.id}`, { token, body: { date_of_birth } });
    expect((await patch('1991-01-01')).status).toBe(422);
    expect((await patch('1990-01-01')).body).toMatchObject({ date_of_birth: '1990-01-01', status: 'pending' });
  });

  it('shows the certificate of the newest dose, and its time', async () => {
    const { owner, id } = await world.registration();
    const session = await world.session();
    const [lot, appointment, dose, certificate] = [uuidv7(), uuidv7(), uuidv7(), uuidv7()];
    const { dataSource } = t;
    await dataSource.query(
      `insert into vaccine_lots (id, centre_id, vaccine_id, number, expires_on, received, used, created_at, updated_at)
        values ($1, $2, $3, 'L-1', '2030-01-01', 10, 1, now(), now())`,
      [lot, session.centre.id, session.vaccine.id],
    );
    await dataSource.query(
      `insert into vaccination_appointments (id, registration_id, session_id, disease, dose, status, created_at, updated_at)
        values ($1, $2, $3, '840539006', 1, 'fulfilled', now(), now())`,
      [appointment, id, session.id],
    );
    await dataSource.query(
      `insert into vaccination_doses (id, registration_id, appointment_id, centre_id, vaccine_id, lot_id, disease, dose,
        status, site, route, given_at, created_at)
        values ($1, $2, $3, $4, $5, $6, '840539006', 1, 'completed', 'left arm', 'intramuscular', '2027-01-18T04:00Z', now())`,
      [dose, id, appointment, session.centre.id, session.vaccine.id, lot],
    );
    await dataSource.query(
      `insert into vaccination_certificates (id, dose_id, uvci, rid, hcert, shc, hcert_kid, shc_kid, issued_at, expires_at)
        values ($1, $2, 'X', 'x', 'HC1:', 'shc:/', 'k', 'k', now(), now())`,
      [certificate, dose],
    );
    expect((await post('/api/myvaccine', { token: owner.token })).body).toMatchObject([
      {
        vaccine_id: session.vaccine.id,
        vaccination_date: '2027-01-18T04:00:00.000Z',
        certificate_url: expect.stringMatching(new RegExp(`/api/vaccination/certificates/${certificate}\\.pdf$`)),
      },
    ]);
  });

  it('answers 422 national_id_missing to users without a national id', async () => {
    const { token } = await t.user();
    expect((await post('/api/create', { token })).body).toMatchObject({ status: 422, code: 'national_id_missing' });
  });

  it('answers 401 to wrong tokens, and to users without the right on the routes of the staff', async () => {
    const { token } = await t.user();
    for (const path of ['/api/myvaccine', '/api/allvaccines', '/api/approve']) {
      for (const body of [{}, ...['x', '', null, 1, { a: 1 }, 'x'.repeat(9000)].map((wrong) => ({ token: wrong }))])
        expect([path, body, (await post(path, body)).status]).toEqual([path, body, 401]);
    }
    for (const wrong of ['x', null]) expect((await post('/api/create', { token: wrong })).status).toBe(401);
    expect((await post('/api/allvaccines', { token })).status).toBe(401);
    expect((await post('/api/approve', { token, vaccination_id: uuidv7() })).status).toBe(401);
  });

  it('answers 422 for an id that is not one, and 404 for an unknown registration', async () => {
    const { token } = await t.user('verify_registrations');
    expect((await post('/api/approve', { token, vaccination_id: '7' })).status).toBe(422);
    expect((await post('/api/approve', { token, vaccination_id: uuidv7() })).status).toBe(404);
  });

  it('lists a registration that waits for a decision also when 1,000 newer ones are decided', async () => {
    const staff = await t.user('verify_registrations');
    const { token } = await createUser();
    await post('/api/create', { token });
    const [{ id }] = (await post('/api/myvaccine', { token })).body as unknown as [{ id: string }];
    await t.dataSource.query(`insert into vaccination_registrations
        (id, place, legal_name, id_type, id_number, id_hash, id_last4, status, created_at, updated_at)
      select ('ffff' || substr(gen_random_uuid()::text, 5))::uuid, 0, 'Test Person', 'PASSPORT', decode(md5(n::text), 'hex'),
        decode(md5(n::text), 'hex'), '0000', 'verified', now(), now() from generate_series(1, 1001) as n`);
    const list = async () => {
      const { body } = await post('/api/allvaccines', { token: staff.token });
      return (body as unknown as { id: string }[]).map((registration) => registration.id);
    };
    const ids = await list();
    expect(ids).toHaveLength(1000);
    expect(ids).toContain(id);
    expect(ids).toEqual(ids.toSorted().toReversed());
    await post('/api/approve', { token: staff.token, vaccination_id: id });
    expect(await list()).not.toContain(id);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { CENTRE, VACCINE, vaccinationWorld } from '../support/vaccination/vaccination.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
beforeAll(async () => {
  t = await startApp();
  world = await vaccinationWorld(t);
});
afterAll(() => t.stop());

const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

const asManager = <Method extends string, Path extends string>(method: Method, path: Path, body?: unknown) =>
  t.request(method, path, { token: world.manager.token, body });

describe('/api/vaccination/vaccines', () => {
  it('creates, returns, lists and changes a vaccine', async () => {
    const created = await asManager('POST', '/api/vaccination/vaccines', {
      code: 'CVX-208',
      ...VACCINE,
      who_code: 'J07BN01',
    });
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe(`/api/vaccination/vaccines/${created.body.id}`);
    expect(created.body).toMatchObject({
      code: 'CVX-208',
      ...VACCINE,
      who_code: 'J07BN01',
      cvx_code: null,
      is_active: true,
    });
    const path = `/api/vaccination/vaccines/${created.body.id}`;
    const user = await t.user();
    expect((await t.request('GET', path, { token: user.token })).body).toEqual(created.body);
    const changed = await asManager('PATCH', path, { is_active: false, max_age_months: null });
    expect(changed.body).toMatchObject({
      code: 'CVX-208',
      is_active: false,
      max_age_months: null,
      doses: VACCINE.doses,
    });
    const list = async (query: string) =>
      (await t.request('GET', `/api/vaccination/vaccines${query}`, { token: user.token })).body['items'].map(
        ({ id }: { id: string }) => id,
      );
    expect(await list('?is_active=false')).toEqual([created.body.id]);
    expect(await list('?is_active=true')).not.toContain(created.body.id);
  });

  it('answers 409 for a code that is taken, without regard to case', async () => {
    await world.vaccine({ code: 'Same-1' });
    const answer = await asManager('POST', '/api/vaccination/vaccines', { ...VACCINE, code: 'SAME-1' });
    expect([answer.status, answer.body.code]).toEqual([409, 'vaccine_code_taken']);
  });

  it('answers 404 for an unknown vaccine', async () => {
    for (const method of ['GET', 'PATCH']) {
      const { body } = await asManager(
        method,
        `/api/vaccination/vaccines/${UNKNOWN_ID}`,
        method === 'PATCH' ? {} : undefined,
      );
      expect(body).toMatchObject({ status: 404, code: 'vaccine_not_found' });
    }
  });

  it.each([
    [{ code: 'a b' }, 'code'],
    [{ disease: 'covid' }, 'disease'],
    [{ cvx_code: '20800' }, 'cvx_code'],
    [{ who_code: 'j07bn01' }, 'who_code'],
    [{ min_age_months: -1 }, 'min_age_months'],
    [{ min_age_months: 12, max_age_months: 12 }, 'max_age_months'],
    [{ doses: [] }, 'doses'],
    [{ doses: [null] }, 'doses.0'],
    [{ doses: Array.from({ length: 11 }, () => VACCINE.doses[0]) }, 'doses'],
    [{ doses: [VACCINE.doses[1]] }, 'doses.0'],
    [
      { doses: [VACCINE.doses[0], { ...VACCINE.doses[1], recommended_interval_days: 27 }] },
      'doses.1.recommended_interval_days',
    ],
    [{ doses: [VACCINE.doses[0], { ...VACCINE.doses[1], grace_days: 29 }] }, 'doses.1.grace_days'],
    [{ doses: [{ ...VACCINE.doses[0], min_interval_days: '0' }] }, 'doses.0.min_interval_days'],
    [{ is_active: 'yes' }, 'is_active'],
    [{ id: UNKNOWN_ID }, 'id'],
  ])('POST answers 422 for %j and names the field', async (fields, path) => {
    const { body } = await asManager('POST', '/api/vaccination/vaccines', { code: 'bad', ...VACCINE, ...fields });
    expect(body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect(body.errors?.map((error) => error.path)).toContain(path);
  });
});

describe('/api/vaccination/centres', () => {
  it('creates, returns, lists by district and changes a centre', async () => {
    const created = await asManager('POST', '/api/vaccination/centres', {
      code: 'SYL-01',
      ...CENTRE,
      district: 'Sylhet',
    });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ ...CENTRE, district: 'Sylhet', time_zone: 'Asia/Dhaka', status: 'active' });
    const user = await t.user();
    const found = await t.request('GET', '/api/vaccination/centres?district=sylhet', { token: user.token });
    expect(found.body.items).toEqual([created.body]);
    const path = `/api/vaccination/centres/${created.body.id}`;
    expect((await asManager('PATCH', path, { status: 'closed', time_zone: 'Asia/Kolkata' })).body).toMatchObject({
      status: 'closed',
      time_zone: 'Asia/Kolkata',
    });
    expect((await asManager('PATCH', `/api/vaccination/centres/${UNKNOWN_ID}`, { name: 'x' })).body.code).toBe(
      'centre_not_found',
    );
  });

  it.each([
    { time_zone: 'Dhaka' },
    { time_zone: '+06:00' },
    { time_zone: '__proto__' },
    { time_zone: 'CTT' }, // known to Node.js, not to PostgreSQL
    { time_zone: 'BST' }, // Dhaka in Node.js, London in PostgreSQL
    { time_zone: 'US/Pacific-New' },
    { latitude: 91 },
    { latitude: '23.7' },
    { longitude: -180.5 },
    { district: '' },
    { status: 'open' },
  ])('POST answers 422 for %j', async (fields) => {
    const { body } = await asManager('POST', '/api/vaccination/centres', { code: 'bad', ...CENTRE, ...fields });
    expect(body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it('PATCH answers 422 for a time zone that the database does not know, and keeps the old one', async () => {
    const { id } = await world.centre();
    const path = `/api/vaccination/centres/${id}` as const;
    const { body } = await asManager('PATCH', path, { time_zone: 'CTT' });
    expect(body).toMatchObject({ status: 422, errors: [{ path: 'time_zone' }] });
    expect((await asManager('GET', path)).body.time_zone).toBe('Asia/Dhaka');
  });

  it('lets a manager of the centre change its staff, and no other role or centre', async () => {
    const [own, other] = [(await world.centre()).id, (await world.centre()).id];
    const [chief, registrar, user] = [
      await world.staff(own, 'manager'),
      await world.staff(own, 'registrar'),
      await t.user(),
    ];
    const path = (centre: string) => `/api/vaccination/centres/${centre}/staff/${user.id}`;
    const put = async (token: string, centre: string) =>
      (await t.request('PUT', path(centre), { token, body: { role: 'vaccinator' } })).status;
    expect(await put(registrar.token, own)).toBe(403);
    expect(await put(user.token, own)).toBe(403);
    expect(await put(chief.token, other)).toBe(403);
    expect(await put(chief.token, own)).toBe(204);
    const staffOf = (token: string) => t.request('GET', `/api/vaccination/centres/${own}/staff`, { token });
    expect((await staffOf(registrar.token)).status).toBe(403);
    const roles = (await staffOf(chief.token)).body.items.map(({ user: { id }, role }) => [id, role]);
    expect(new Map(roles as [string, string][])).toEqual(
      new Map([
        [chief.id, 'manager'],
        [registrar.id, 'registrar'],
        [user.id, 'vaccinator'],
      ]),
    );
    expect((await t.request('DELETE', path(own), { token: chief.token })).status).toBe(204);
    expect((await t.request('DELETE', path(own), { token: chief.token })).body['code']).toBe('staff_member_not_found');
  });

  it('answers 404 for staff of an unknown centre and for unknown users', async () => {
    const body = { role: 'vaccinator' };
    const user = await t.user();
    expect((await asManager('PUT', `/api/vaccination/centres/${UNKNOWN_ID}/staff/${user.id}`, body)).body['code']).toBe(
      'centre_not_found',
    );
    const { id } = await world.centre();
    expect((await asManager('PUT', `/api/vaccination/centres/${id}/staff/${UNKNOWN_ID}`, body)).body['code']).toBe(
      'user_not_found',
    );
    expect(
      (await asManager('PUT', `/api/vaccination/centres/${id}/staff/${user.id}`, { role: 'chief' })).body['code'],
    ).toBe('validation_failed');
  });
});

describe('/api/vaccination/lots', () => {
  const lot = async (fields: object = {}) => ({
    centre_id: (await world.centre()).id,
    vaccine_id: (await world.vaccine()).id,
    number: 'FA4598',
    expires_on: '2027-03-31',
    received: 600,
    ...fields,
  });

  it('creates, returns, lists and changes a lot for the managers of its centre', async () => {
    const body = await lot();
    const chief = await world.staff(body.centre_id, 'manager');
    const vaccinator = await world.staff(body.centre_id, 'vaccinator');
    const created = await t.request('POST', '/api/vaccination/lots', { token: chief.token, body });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ ...body, used: 0, recalled_at: null });
    const path = `/api/vaccination/lots/${created.body.id}` as const;
    expect((await t.request('GET', path, { token: vaccinator.token })).body).toEqual(created.body);
    expect((await t.request('PATCH', path, { token: vaccinator.token, body: { received: 5 } })).body['code']).toBe(
      'forbidden',
    );
    const changed = await t.request('PATCH', path, { token: chief.token, body: { received: 5 } });
    expect(changed.body).toMatchObject({ received: 5, expires_on: '2027-03-31' });
    const list = await t.request('GET', `/api/vaccination/lots?centre_id=${body.centre_id}`, {
      token: vaccinator.token,
    });
    expect(list.body.items.map(({ id }) => id)).toEqual([created.body.id]);
  });

  it('hides the lots of a centre from the staff of others', async () => {
    const created = await asManager('POST', '/api/vaccination/lots', await lot());
    const stranger = await world.staff((await world.centre()).id, 'manager');
    const path = `/api/vaccination/lots/${created.body.id}`;
    expect((await t.request('GET', path, { token: stranger.token })).body['code']).toBe('lot_not_found');
    expect((await t.request('PATCH', path, { token: stranger.token, body: {} })).body['code']).toBe('lot_not_found');
    const lotsOf = (query: string) => t.request('GET', `/api/vaccination/lots${query}`, { token: stranger.token });
    expect((await lotsOf(`?centre_id=${created.body.centre_id}`)).status).toBe(403);
    expect((await lotsOf('')).body['items']).toEqual([]);
    expect(
      (await t.request('POST', '/api/vaccination/lots', { token: stranger.token, body: await lot() })).status,
    ).toBe(403);
  });

  it('has a number once per centre and vaccine, also when 20 requests add it at once', async () => {
    const body = await lot();
    await t.warmUp();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        asManager('POST', '/api/vaccination/lots', { ...body, number: i % 2 ? 'fa4598' : 'FA4598' }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201,
      ...Array.from({ length: 19 }, () => 409),
    ]);
    expect(answers.find(({ status }) => status === 409)?.body.code).toBe('lot_exists');
  });

  it('answers 409 when fewer doses were received than used', async () => {
    const created = await asManager('POST', '/api/vaccination/lots', await lot());
    await t.dataSource.query('update vaccine_lots set used = 3 where id = $1', [created.body.id]);
    const answer = await asManager('PATCH', `/api/vaccination/lots/${created.body.id}`, { received: 2 });
    expect(answer.body).toMatchObject({ status: 409, code: 'lot_overdrawn' });
  });

  it.each([
    { expires_on: '2027-02-29' },
    { expires_on: '2027-3-1' },
    { expires_on: '2027-03-31T00:00:00Z' },
    { expires_on: '0001-01-01' },
    { received: -1 },
    { received: 1.5 },
    { number: '' },
    { number: 'x'.repeat(41) },
    { used: 3 },
    { centre_id: 'x' },
  ])('POST answers 422 for %j', async (fields) => {
    const answer = await asManager('POST', '/api/vaccination/lots', { ...(await lot()), ...fields });
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it.each([
    ['centre_id', 'centre_not_found'],
    ['vaccine_id', 'vaccine_not_found'],
  ])('POST answers 404 for an unknown %s', async (name, code) => {
    const answer = await asManager('POST', '/api/vaccination/lots', { ...(await lot()), [name]: UNKNOWN_ID });
    expect(answer.body).toMatchObject({ status: 404, code });
  });
});

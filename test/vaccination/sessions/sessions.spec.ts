import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { components } from '../../support/api/openapi-types.js';
import { startApp, type TestApp } from '../../support/app.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let citizen: { token: string };
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-10T05:00:00Z'));
  world = await vaccinationWorld(t);
  citizen = await t.user();
});
afterAll(() => t.stop());

const asManager = <Method extends string, Path extends string>(method: Method, path: Path, body?: unknown) =>
  t.request(method, path, { token: world.manager.token, body });

const list = (query: string, { token } = citizen, headers: Record<string, string> = {}) =>
  t.request('GET', `/api/vaccination/sessions${query}`, { token, headers });

const idsOf = (answer: Awaited<ReturnType<typeof list>>) => answer.body['items'].map(({ id }: { id: string }) => id);

describe('/api/vaccination/sessions', () => {
  it('creates a draft that only the staff of its centre sees, opens and closes it', async () => {
    const { id: centre_id } = await world.centre();
    const created = await world.session({ centre_id, status: 'draft', walk_in_capacity: 2 });
    expect(created).toMatchObject({ status: 'draft', capacity: 10, available: 10, walk_in_capacity: 2, dose: null });
    const path = `/api/vaccination/sessions/${created.id}` as const;
    const [chief, vaccinator] = [await world.staff(centre_id, 'manager'), await world.staff(centre_id, 'vaccinator')];
    expect((await t.request('GET', path, { token: citizen.token })).body.code).toBe('vaccination_session_not_found');
    expect((await t.request('GET', path, { token: vaccinator.token })).body).toEqual(created);
    expect(idsOf(await list(`?centre=${centre_id}`))).toEqual([]);
    expect((await list(`?centre=${centre_id}&status=draft`)).status).toBe(403);
    expect((await list('?status=draft', vaccinator)).status).toBe(403);
    expect(idsOf(await list(`?centre=${centre_id}&status=draft`, vaccinator))).toEqual([created.id]);
    const post = async (action: string, token: string) =>
      (await t.request('POST', `${path}/${action}`, { token })).body as { status: unknown; code?: string };
    expect(await post('open', vaccinator.token)).toMatchObject({ code: 'forbidden' });
    expect(await post('close', chief.token)).toMatchObject({ code: 'session_not_changeable' });
    expect(await post('open', chief.token)).toMatchObject({ id: created.id, status: 'open' });
    expect(await post('open', chief.token)).toMatchObject({ code: 'session_not_changeable' });
    expect(idsOf(await list(`?centre=${centre_id}`))).toEqual([created.id]);
    expect(await post('close', chief.token)).toMatchObject({ status: 'closed' });
    expect(idsOf(await list(`?centre=${centre_id}`))).toEqual([]);
  });

  it('PATCH changes everything of a draft, and only the capacities of an open session', async () => {
    const draft = await world.session({ status: 'draft' });
    const path = `/api/vaccination/sessions/${draft.id}`;
    expect((await asManager('PATCH', path, { dose: 2, ends_at: '2027-01-18T09:00:00+06:00' })).body).toMatchObject({
      dose: 2,
      ends_at: '2027-01-18T03:00:00.000Z',
    });
    await asManager('POST', `${path}/open`);
    expect((await asManager('PATCH', path, { dose: null })).body['code']).toBe('session_not_changeable');
    expect((await asManager('PATCH', path, { capacity: 12 })).body).toMatchObject({ capacity: 12, available: 12 });
    await t.dataSource.query('update vaccination_sessions set booked = 5 where id = $1', [draft.id]);
    expect((await asManager('PATCH', path, { capacity: 4 })).body).toMatchObject({
      status: 409,
      code: 'capacity_below_bookings',
    });
    expect((await asManager('PATCH', path, { capacity: 5 })).body).toMatchObject({ capacity: 5, available: 0 });
  });

  it.each([
    [{ dose: 3 }, 'dose'],
    [{ dose: 0 }, 'dose'],
    [{ starts_at: '2027-01-18T10:00:00Z', ends_at: '2027-01-18T10:00:00Z' }, 'ends_at'],
    [{ starts_at: '2027-01-18T10:00:00Z', ends_at: '2027-01-19T10:01:00Z' }, 'ends_at'],
    [{ starts_at: '2027-01-18T10:00:00' }, 'starts_at'],
    [{ starts_at: '2027-02-30T10:00:00Z' }, 'starts_at'],
    [{ starts_at: '2027-01-18T10:00:00+99:99' }, 'starts_at'],
    [{ starts_at: 1_800_000_000 }, 'starts_at'],
    [{ opens_at: '2027-03-01T10:00:00Z' }, 'opens_at'],
    [{ capacity: -1 }, 'capacity'],
    [{ capacity: 100_001 }, 'capacity'],
    [{ booked: 1 }, 'booked'],
    [{ status: 'open' }, 'status'],
  ])('POST answers 422 for %j and names the field', async (fields, path) => {
    const body = {
      centre_id: (await world.centre()).id,
      vaccine_id: (await world.vaccine()).id,
      starts_at: '2027-01-18T03:00:00Z',
      ends_at: '2027-01-18T06:00:00Z',
      opens_at: '2027-01-10T03:00:00Z',
      capacity: 10,
      ...fields,
    };
    const answer = await asManager('POST', '/api/vaccination/sessions', body);
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect(answer.body.errors?.map((error) => error.path)).toContain(path);
  });

  it('refuses managers of other centres', async () => {
    const session = await world.session();
    const stranger = await world.staff((await world.centre()).id, 'manager');
    const path = `/api/vaccination/sessions/${session.id}`;
    expect((await t.request('PATCH', path, { token: stranger.token, body: { capacity: 1 } })).status).toBe(403);
    expect((await t.request('POST', `${path}/close`, { token: stranger.token })).status).toBe(403);
  });
});

describe('POST /api/vaccination/sessions/recurring', () => {
  const pattern = async (fields: object = {}) => ({
    centre_id: (await world.centre({ time_zone: 'Europe/Berlin' })).id,
    vaccine_id: (await world.vaccine()).id,
    from: '2027-03-22',
    to: '2027-04-04',
    weekdays: ['mon', 'sun'],
    start_time: '09:00',
    end_time: '12:00',
    opens_days_before: 7,
    capacity: 50,
    ...fields,
  });

  it('creates a draft for each weekday, at the local time also when the clocks change', async () => {
    const answer = await asManager('POST', '/api/vaccination/sessions/recurring', await pattern());
    expect(answer.status).toBe(201);
    const { items } = answer.body as unknown as components['schemas']['RecurringVaccinationSessionsDto'];
    expect(items.map(({ starts_at, ends_at }) => [starts_at, ends_at])).toEqual([
      ['2027-03-22T08:00:00.000Z', '2027-03-22T11:00:00.000Z'],
      ['2027-03-28T07:00:00.000Z', '2027-03-28T10:00:00.000Z'],
      ['2027-03-29T07:00:00.000Z', '2027-03-29T10:00:00.000Z'],
      ['2027-04-04T07:00:00.000Z', '2027-04-04T10:00:00.000Z'],
    ]);
    expect(items[2]).toMatchObject({ opens_at: '2027-03-22T08:00:00.000Z', status: 'draft', capacity: 50 });
  });

  it.each([
    { to: '2027-03-21' },
    { to: '2028-03-23' },
    { weekdays: [] },
    { weekdays: ['mon', 'mon'] },
    { weekdays: ['Monday'] },
    { weekdays: ['fri'], to: '2027-03-22' },
    { start_time: '24:00' },
    { start_time: '12:00' },
    { opens_days_before: -1 },
  ])('answers 422 for %j and creates nothing', async (fields) => {
    const body = await pattern(fields);
    const answer = await asManager('POST', '/api/vaccination/sessions/recurring', body);
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect((await list(`?centre=${body.centre_id}&status=draft`, world.manager)).body['items']).toEqual([]);
  });
});

describe('GET /api/vaccination/sessions', () => {
  it('filters by vaccine, dose, district and free places', async () => {
    const { id: vaccine } = await world.vaccine();
    const { id: khulna } = await world.centre({ district: 'Khulna' });
    const [any, second, full] = [
      await world.session({ vaccine_id: vaccine, centre_id: khulna, days: 1 }),
      await world.session({ vaccine_id: vaccine, dose: 2, days: 2 }),
      await world.session({ vaccine_id: vaccine, capacity: 0, days: 3 }),
    ].map(({ id }) => id);
    await world.session({ vaccine_id: vaccine, days: -1 }); // past
    const find = async (query: string) => idsOf(await list(`?vaccine=${vaccine}${query}`));
    expect(await find('')).toEqual([any, second, full]);
    expect(await find('&dose=1')).toEqual([any, full]);
    expect(await find('&dose=2')).toEqual([any, second, full]);
    expect(await find('&dose=3')).toEqual([]);
    expect(await find('&district=khulna')).toEqual([any]);
    expect(await find('&available=true')).toEqual([any, second]);
    expect(await find('&available=false')).toEqual([full]);
    await asManager('PATCH', `/api/vaccination/centres/${khulna}`, { status: 'closed' });
    expect(await find('')).toEqual([second, full]);
    await asManager('PATCH', `/api/vaccination/vaccines/${vaccine}`, { is_active: false });
    expect(await find('')).toEqual([]);
  });

  it('counts days in the time zone of the centre', async () => {
    const { id: vaccine } = await world.vaccine();
    const at = (starts_at: string, ends_at: string) => world.session({ vaccine_id: vaccine, starts_at, ends_at });
    const late = await at('2027-01-19T17:59:00Z', '2027-01-19T19:00:00Z'); // 23:59 in Dhaka
    const early = await at('2027-01-19T18:00:00Z', '2027-01-19T19:00:00Z'); // midnight in Dhaka
    const find = async (query: string) => idsOf(await list(`?vaccine=${vaccine}&${query}`));
    expect(await find('from=2027-01-19&to=2027-01-19')).toEqual([late.id]);
    expect(await find('from=2027-01-20&to=2027-01-20')).toEqual([early.id]);
  });

  it('sorts by distance with near, and pages visit each session once', async () => {
    const { id: vaccine } = await world.vaccine();
    const places = [23.7, 24.0, 25.5, 23.7, 22.0];
    const ids: string[] = [];
    for (const [index, latitude] of places.entries()) {
      const { id: centre_id } = await world.centre({ latitude, longitude: 90.4 });
      ids.push((await world.session({ vaccine_id: vaccine, centre_id, days: 9 - index })).id);
    }
    const near = await list(`?vaccine=${vaccine}&near=23.7,90.4`);
    expect(idsOf(near)).toEqual([ids[3], ids[0], ids[1], ids[4], ids[2]]);
    expect(near.body['items'].map(({ distance_km }: { distance_km: number }) => distance_km)).toEqual([
      0, 0, 33.4, 189, 200.2,
    ]);
    for (const order of ['&near=23.7,90.4', '']) {
      const seen: string[] = [];
      let cursor = '';
      do {
        const page = await list(`?vaccine=${vaccine}${order}&limit=2${cursor}`);
        seen.push(...idsOf(page));
        cursor = page.body['next_cursor'] ? `&cursor=${page.body['next_cursor']}` : '';
      } while (cursor);
      expect(seen).toEqual(idsOf(await list(`?vaccine=${vaccine}${order}`)));
    }
  });

  it('answers 304 while nothing has changed, and may be shown for five seconds', async () => {
    const { id: vaccine } = await world.vaccine();
    const session = await world.session({ vaccine_id: vaccine });
    const first = await list(`?vaccine=${vaccine}`);
    const etag = first.headers.get('etag')!;
    expect(first.headers.get('cache-control')).toBe('private, max-age=5');
    expect(first.body['as_of']).toBe(new Date(t.clock.now()).toISOString());
    expect((await list(`?vaccine=${vaccine}`, citizen, { 'if-none-match': etag })).status).toBe(304);
    await asManager('PATCH', `/api/vaccination/sessions/${session.id}`, { capacity: 11 });
    expect((await list(`?vaccine=${vaccine}`, citizen, { 'if-none-match': etag })).status).toBe(200);
  });

  it.each([
    'near=91,0',
    'near=0,181',
    'near=a,b',
    'near=1',
    'from=2027-02-30',
    'dose=11',
    'dose=1e0',
    'available=1',
    'vaccine=x',
    'status=full',
  ])('answers 422 for %s', async (query) => {
    expect((await list(`?${query}`)).body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it.each(['x', 'W10', Buffer.from('[0,1,"x"]').toString('base64url')])(
    'answers 400 for the cursor %s',
    async (cursor) => {
      expect((await list(`?cursor=${cursor}`)).body).toMatchObject({ status: 400, code: 'invalid_cursor' });
    },
  );
});

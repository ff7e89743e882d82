import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATIONS } from '../fuzz/api-document.js';
import { startApp, type TestApp } from '../support/app.js';
import { vaccinationWorld } from '../support/vaccination/vaccination.js';

type Kind = 'centres' | 'staff' | 'lots' | 'sessions';

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
beforeAll(async () => {
  t = await startApp();
  world = await vaccinationWorld(t);
});
afterAll(() => t.stop());

async function send(kind: Kind, table: string | Buffer, query = '', type = 'text/csv', token = world.manager.token) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': type };
  const url = `${t.url}/api/vaccination/imports/${kind}${query}`;
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(Buffer.from(table as string)) });
  return { status: response.status, body: (await response.json()) as Report };
}

interface Report {
  code?: string;
  rows: number;
  created: number;
  updated: number;
  unchanged: number;
  errors: { row: number; column: string | null; code: string; detail: string }[];
}

const dryRun = (kind: Kind, table: string | Buffer) => send(kind, table, '?dry_run=true');

/** The errors of a dry run as `row column code`, after the import itself was refused with the same errors. */
async function errorsOf(kind: Kind, table: string | Buffer): Promise<string[]> {
  const [checked, refused] = [await dryRun(kind, table), await send(kind, table)];
  expect([checked.status, refused.status, refused.body.code]).toEqual([200, 422, 'import_refused']);
  expect(refused.body.errors).toEqual(checked.body.errors);
  return checked.body.errors.map(({ row, column, code }) => `${row} ${column ?? '-'} ${code}`);
}

const HEADER = 'code,name,address,district,latitude,longitude';
let counter = 0;
const newCode = () => `IMP-${++counter}`;
const centreRow = (code: string, name = 'A Centre') => `${code},${name},Road 7,Dhaka,23.7461,90.3742`;
const centres = (...rows: string[]) => [HEADER, ...rows].join('\n');

const readCentres = (...codes: string[]) =>
  t.dataSource.query(
    'select code, name, latitude from vaccination_centres where code = any ($1::citext[]) order by id',
    [codes],
  );

describe('POST /api/vaccination/imports', () => {
  it('answers 403 to callers without manage_vaccines, also to the manager of a centre', async () => {
    const { id } = await world.centre();
    const { token } = await world.staff(id, 'manager');
    for (const kind of ['centres', 'staff', 'lots', 'sessions'] as const) {
      expect((await send(kind, centres(), '', 'text/csv', token)).status).toBe(403);
      const path = `/api/vaccination/exports/${kind}.csv`;
      expect((await t.request('GET', path, { token })).status).toBe(403);
    }
  });

  it('checks a table in a dry run, imports it, updates what changed, and does nothing when it is sent again', async () => {
    const [one, two] = [newCode(), newCode()];
    const table = centres(centreRow(one), centreRow(two));
    expect((await dryRun('centres', table)).body).toMatchObject({ rows: 2, created: 2, updated: 0, errors: [] });
    expect(await readCentres(one, two)).toEqual([]);
    expect((await send('centres', table)).body).toMatchObject({ rows: 2, created: 2, unchanged: 0 });
    expect((await send('centres', table)).body).toMatchObject({ created: 0, updated: 0, unchanged: 2 });
    const changed = centres(centreRow(one.toLowerCase(), 'Another name'), centreRow(two));
    expect((await dryRun('centres', changed)).body).toMatchObject({ created: 0, updated: 1, unchanged: 1 });
    expect((await send('centres', changed)).body).toMatchObject({ created: 0, updated: 1, unchanged: 1 });
    expect(await readCentres(one, two)).toEqual([
      { code: one, name: 'Another name', latitude: 23.7461 },
      { code: two, name: 'A Centre', latitude: 23.7461 },
    ]);
    const audited = await t.dataSource.query(
      `select action from audit_events where actor_id = $1 and action like 'vaccination_centre.%' order by id desc limit 3`,
      [world.manager.id],
    );
    expect(audited.map(({ action }: { action: string }) => action)).toEqual([
      'vaccination_centre.changed',
      'vaccination_centre.created',
      'vaccination_centre.created',
    ]);
  });

  it('reports one error for each wrong row with its number, column and code, and imports no row', async () => {
    const [good, twin] = [newCode(), newCode()];
    const table = centres(
      centreRow(good),
      centreRow('has space'),
      '',
      centreRow(newCode(), ''),
      `${newCode()},Name,Road 7,Dhaka,north,90`,
      `${newCode()},Name,Road 7,Dhaka,23.7,181`,
      `${newCode()},Name,Road 7,Dhaka`,
      centreRow(newCode(), 'with a \0 byte'),
      centreRow(newCode(), 'x'.repeat(1_000_000)),
      centreRow(twin),
      centreRow(twin.toLowerCase(), 'Twin'),
    );
    expect(await errorsOf('centres', table)).toEqual([
      '3 code invalid_value',
      '5 name invalid_value',
      '6 latitude invalid_value',
      '7 longitude invalid_value',
      '8 - wrong_cell_count',
      '9 name invalid_text',
      '10 name invalid_value',
      '12 code duplicate_row',
    ]);
    expect(await readCentres(good, twin)).toEqual([]);
  });

  it('says that a text is no number, and nothing about its size', async () => {
    const { body } = await dryRun('centres', centres(`${newCode()},Name,Road 7,Dhaka,north,90`));
    expect(body['errors']).toMatchObject([{ detail: 'latitude must be a number' }]);
  });

  it('refuses headers with missing, unknown and duplicate columns, empty files and other encodings', async () => {
    expect(await errorsOf('centres', 'code,name\nA,B')).toEqual(['1 address missing_column']);
    expect(await errorsOf('centres', `${HEADER},colour\n`)).toEqual(['1 - unknown_column']);
    expect(await errorsOf('centres', `${HEADER},__proto__\n`)).toEqual(['1 - unknown_column']);
    expect(await errorsOf('centres', `${HEADER}, CODE\n`)).toEqual(['1 code duplicate_column']);
    expect(await errorsOf('centres', HEADER.replaceAll(',', ';'))).toEqual(['1 - unknown_column']);
    expect(await errorsOf('centres', '\n\n')).toEqual(['1 - empty_file']);
    const latin1 = Buffer.from(centres(centreRow(newCode(), 'Café')), 'latin1');
    expect(await errorsOf('centres', latin1)).toEqual(['1 - wrong_encoding']);
    const utf16 = Buffer.from(`\ufeff${centres(centreRow(newCode()))}`, 'utf16le');
    expect(await errorsOf('centres', utf16)).toEqual(['1 - wrong_encoding']);
  });

  it('reads a byte order mark, all line ends, quoted cells, columns in any order and empty rows', async () => {
    const codes = [newCode(), newCode(), newCode()];
    const header = 'Longitude,latitude,"district",address,name,CODE';
    const [one, two, three] = codes.map((code) => `90.3,-23.7,Dhaka,"Road 7, ""North""",Centre, ${code} `);
    const table = `\ufeff${header}\r\n${one}\r\n,,,,,\r\n\n${two}\r${three}`;
    expect((await send('centres', table)).body).toMatchObject({ rows: 3, created: 3 });
    const rows = await t.dataSource.query('select address from vaccination_centres where code = $1', [codes[2]]);
    expect(rows).toEqual([{ address: 'Road 7, "North"' }]);
  });

  it('reports a wrong quotation mark with the number of its row', async () => {
    const row = centreRow(newCode());
    expect(await errorsOf('centres', centres('', row, centreRow(newCode(), '"open'), row))).toEqual([
      '4 - malformed_row',
    ]);
    expect(await errorsOf('centres', centres(row, row, centreRow(newCode(), '"a" b'), row))).toEqual([
      '3 code duplicate_row',
      '4 - malformed_row',
    ]);
    expect(await errorsOf('centres', centres(centreRow(newCode(), 'a "b" c')))).toEqual(['2 - malformed_row']);
  });

  it('refuses more than 5,000 rows, more than 2 MiB and other media types', async () => {
    const rows = Array.from({ length: 5_001 }, (_, index) => centreRow(`many-${index}`));
    expect(await errorsOf('centres', centres(...rows))).toEqual(['5002 - too_many_rows']);
    expect(await send('centres', 'x'.repeat(2 * 1024 * 1024 + 1))).toMatchObject({
      status: 413,
      body: { code: 'table_too_large' },
    });
    for (const type of ['application/json', 'text/plain', 'text/csv; charset=utf-16', 'multipart/form-data']) {
      expect((await send('centres', '{}', '', type)).status).toBe(415);
    }
    expect((await send('centres', centres(), '?dry_run=maybe')).status).toBe(422);
  });

  it('creates each row once when one file is sent five times at once', async () => {
    await t.warmUp();
    const codes = Array.from({ length: 20 }, newCode);
    const table = centres(...codes.map((code) => centreRow(code)));
    const answers = await Promise.all(Array.from({ length: 5 }, () => send('centres', table)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(answers.map(({ body }) => body.created).toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 20]);
    expect(await readCentres(...codes)).toHaveLength(20);
  });
});

describe('POST /api/vaccination/imports/staff', () => {
  it('gives roles by the codes of centres and usernames, and reports unknown ones', async () => {
    const { code } = await world.centre();
    const [hana, ken] = [await t.user(), await t.user()];
    const table = `centre,username,role\n${code},${hana.username.toUpperCase()},vaccinator\n${code},${ken.username},registrar`;
    expect((await send('staff', table)).body).toMatchObject({ created: 2 });
    const changed = table.replace('registrar', 'Manager');
    expect((await send('staff', changed)).body).toMatchObject({ created: 0, updated: 1, unchanged: 1 });
    const wrong = `centre,username,role\nnone,${hana.username},vaccinator\n${code},nobody-here,vaccinator\n${code},${ken.username},chief`;
    expect(await errorsOf('staff', wrong)).toEqual([
      '2 centre centre_not_found',
      '3 username user_not_found',
      '4 role invalid_value',
    ]);
  });

  it('waits for the deletion of a user who has a role at another centre of the table, and does not deadlock with it', async () => {
    const [one, other] = [await world.centre(), await world.centre()];
    const { id, username } = await t.user();
    const row = `${one.code},${username},vaccinator`;
    expect((await send('staff', `centre,username,role\n${row}`)).body).toMatchObject({ created: 1 });
    const imported = await t.dataSource.transaction(async (manager) => {
      await manager.query('select from users where id = $1 for update', [id]); // as the deletion of the account begins
      const table = `centre,username,role\n${one.code},${username},manager\n${other.code},${username},manager`;
      const answer = send('staff', table);
      await expect
        .poll(async () => {
          const sql = `select count(*)::int as n from pg_locks where not granted and locktype in ('transactionid', 'tuple')`;
          return (await t.dataSource.query<{ n: number }[]>(sql))[0]!.n;
        })
        .toBeGreaterThan(0);
      await manager.query('delete from users where id = $1', [id]);
      return { answer };
    });
    expect((await imported.answer).body.code).toBe('user_not_found');
    const { responses } = OPERATIONS.find(({ name }) => name === 'POST /api/vaccination/imports/staff')!;
    expect(Object.keys(responses['404']?.content?.['application/problem+json']?.examples ?? {})).toEqual([
      'user_not_found',
    ]);
  });
});

describe('POST /api/vaccination/imports/lots', () => {
  const header = 'centre,vaccine,number,expires_on,received';

  it('adds lots to the stock, changes them, and refuses fewer doses than were used', async () => {
    const [centre, vaccine] = [await world.centre(), await world.vaccine()];
    const row = (received: number, number = 'FA1') => `${centre.code},${vaccine.code},${number},2029-12-31,${received}`;
    const table = `${header}\n${row(600)}\n${row(20, 'FA2')}`;
    expect((await send('lots', table)).body).toMatchObject({ created: 2 });
    expect((await send('lots', table)).body).toMatchObject({ created: 0, unchanged: 2 });
    await t.dataSource.query(`update vaccine_lots set used = 10 where centre_id = $1 and number = 'FA1'`, [centre.id]);
    expect((await send('lots', `${header}\n${row(10, 'fa1')}`)).body).toMatchObject({ updated: 1 });
    expect(await errorsOf('lots', `${header}\n${row(9)}`)).toEqual(['2 received lot_overdrawn']);
    const wrong = `${header}\n${centre.code},none,FA3,2029-12-31,1\n${centre.code},${vaccine.code},FA3,31/12/2029,1`;
    expect(await errorsOf('lots', wrong)).toEqual(['2 vaccine vaccine_not_found', '3 expires_on invalid_value']);
  });
});

describe('POST /api/vaccination/imports/sessions', () => {
  const header = 'centre,vaccine,dose,starts_at,ends_at,opens_at,capacity,walk_in_capacity,status';

  it('creates drafts and open sessions at local times, and changes what their state allows', async () => {
    const [centre, vaccine] = [await world.centre(), await world.vaccine()];
    const year = t.clock.date().getUTCFullYear() + 1;
    const row = (hour: string, capacity: number, status = '', ends = '23:00', dose = '1') =>
      `${centre.code},${vaccine.code},${dose},${year}-03-01 ${hour}:00,${year}-03-01T${ends},${year - 1}-01-01T00:00:00Z,${capacity},2,${status}`;
    const table = [header, row('09', 50, 'open'), row('13', 50), row('13', 50, '', '23:00', '')].join('\n');
    expect((await send('sessions', table)).body).toMatchObject({ created: 3, errors: [] });
    const stored = await t.dataSource.query(
      'select id, dose, status, starts_at from vaccination_sessions where centre_id = $1 order by starts_at, dose',
      [centre.id],
    );
    const [nine, one] = [new Date(`${year}-03-01T03:00:00Z`), new Date(`${year}-03-01T07:00:00Z`)];
    expect(stored).toMatchObject([
      { dose: 1, status: 'open', starts_at: nine },
      { dose: 1, status: 'draft', starts_at: one },
      { dose: null, status: 'draft', starts_at: one },
    ]);
    expect((await send('sessions', table)).body).toMatchObject({ created: 0, updated: 0, unchanged: 3 });
    const next = [header, row('09', 60, 'open'), row('13', 50, 'open', '22:00')].join('\n');
    expect((await send('sessions', next)).body).toMatchObject({ updated: 2 });
    await t.dataSource.query('update vaccination_sessions set booked = 40 where id = $1', [stored[0].id]);
    const wrong = [
      header,
      row('09', 39),
      row('13', 50, '', '21:00'),
      row('14', 50, 'closed'),
      row('15', 50, '', '14:00'),
      row('16', 50, '', '23:00', '3'),
    ].join('\n');
    expect(await errorsOf('sessions', wrong)).toEqual([
      '2 capacity capacity_below_bookings',
      '3 starts_at session_not_changeable',
      '4 status invalid_value',
      '5 ends_at invalid_value',
      '6 dose invalid_value',
    ]);
  });

  it('does not bring back a cancelled session, and does not open one that is over', async () => {
    const { id: centre_id, code } = await world.centre();
    const { id, vaccine, starts_at, ends_at, opens_at, capacity } = await world.session({ centre_id });
    const row = [code, vaccine.code, '', starts_at, ends_at, opens_at, capacity, '', 'open'];
    const table = `${header}\n${row.join(',')}`;
    const path = `/api/vaccination/sessions/${id}/cancel`;
    await t.request('POST', path, { token: world.manager.token, body: { reason: 'The delivery is late.' } });
    expect((await send('sessions', table)).body).toMatchObject({ created: 0, updated: 0, unchanged: 1 });
    const past = `${header}\n${code},${vaccine.code},,2020-01-01 09:00,2020-01-01 10:00,2020-01-01 08:00,5,,open`;
    expect(await errorsOf('sessions', past)).toEqual(['2 status session_not_changeable']);
  });
});

describe('GET /api/vaccination/exports', () => {
  it('writes tables that imports read back without a change, also names that look like formulas', async () => {
    const district = `District ${++counter}`;
    const names = [`=cmd|' /C calc'!A0`, `'=1+1`, `''@x`, '-5', "'quoted'", '+8801', 'a,"b"'];
    for (const name of names) await world.centre({ name, district, latitude: -0.0000001, longitude: -23.5 });
    const { id } = await world.centre({ district, time_zone: 'Europe/London', status: 'closed' });
    await world.staff(id, 'registrar');
    const { id: vaccine_id } = await world.vaccine();
    const lot = { centre_id: id, vaccine_id, number: '=1', expires_on: '2029-12-31', received: 5 };
    await world.create('/api/vaccination/lots', lot);
    await world.session({ centre_id: id, vaccine_id, dose: 2 });
    await world.session({ centre_id: id, vaccine_id, status: 'draft' });
    const counts = { centres: names.length + 1, staff: 1, lots: 1, sessions: 2 };
    for (const [kind, count] of Object.entries(counts)) {
      const path = `/api/vaccination/exports/${kind}.csv?district=${encodeURIComponent(district)}`;
      const { text, headers } = await t.request('GET', path, { token: world.manager.token });
      expect(headers.get('content-disposition')).toBe(`attachment; filename="${kind}.csv"`);
      expect(text).not.toMatch(/(^|,|\n)"?[=+@]/);
      const { body } = await send(kind as Kind, text);
      expect([kind, body]).toMatchObject([kind, { rows: count, created: 0, updated: 0, unchanged: count, errors: [] }]);
    }
  });
});

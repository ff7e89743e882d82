import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { vaccinationDay } from '../support/vaccination/vaccination-day.js';
import { person } from '../support/vaccination/vaccination.js';

const API = '/api/vaccination';

/** Names that people have, or try. */
const NAMES = [
  'محمد عبد الله',
  'রহিম উদ্দিন',
  '𠮷野家 太郎',
  '👨‍👩‍👧‍👦 Nova 😀',
  `Q${'\u0301'.repeat(100)}`,
  'W'.repeat(150),
  '\ufdfd'.repeat(60),
  'a\u200db\u200cc\u00add\u2060e\u{e0061}',
  `=cmd|' /C calc'!A0`,
  `<svg onload=alert(1)>"&'`,
  'one;two,three\\n"four"',
];

/** Names that would change what stands beside them, or break a file. */
const REFUSED = ['a\u202eb', 'a\u2066b', 'a\r\nb', 'a\nb', 'a\tb', 'a\u2028b', 'a\uffffb', 'a\ufffeb', '\u200b'];

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let chief: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
  day = await vaccinationDay(t);
  chief = await day.staff(day.centreId, 'manager');
});
afterAll(() => t.stop());

async function download(path: string, { token }: SignedInUser): Promise<Buffer> {
  const response = await fetch(`${t.url}${API}/${path}`, { headers: { authorization: `Bearer ${token}` } });
  expect([path, response.status]).toEqual([path, 200]);
  return Buffer.from(await response.arrayBuffer());
}

it('a person with any name is registered, vaccinated and certified, and each file has the name', async () => {
  const { id: sessionId } = await day.session({ capacity: 50 });
  const lot = await day.lot({ received: 50 });
  for (const legal_name of NAMES) {
    const owner = await t.user();
    const body = person({ legal_name });
    const registered = await t.request('POST', `${API}/registrations`, { token: owner.token, body });
    expect([registered.status, registered.body.legal_name]).toEqual([201, legal_name]);
    const registrationId = registered.body.id;
    await t.dataSource.query(`update vaccination_registrations set status = 'verified' where id = $1`, [
      registrationId,
    ]);
    const { appointmentId } = await day.visitor({ registrationId, sessionId });
    const dose = { appointment_id: appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' };
    const { body: recorded } = await t.request('POST', `${API}/doses`, { token: chief.token, body: dose });
    const { body: certificate } = await t.request('POST', `${API}/certificates`, {
      token: owner.token,
      body: { dose_id: recorded.id },
    });
    const verified = await t.request('POST', `${API}/certificates/verify`, { body: { qr: certificate.hcert } });
    expect([legal_name, verified.body.valid]).toEqual([legal_name, true]);
    for (const suffix of ['png', 'svg', 'pdf', 'smart-health-card']) {
      await download(`certificates/${certificate.id}.${suffix}`, owner);
    }
    expect((await download(`fhir/Patient/${registrationId}`, owner)).toString()).toContain(JSON.stringify(legal_name));
  }
  const csv = parse(await download(`sessions/${sessionId}/day-sheet.csv?reason=Names`, chief), {
    bom: true,
    columns: true,
  });
  const names = (csv as { legal_name: string }[]).map(({ legal_name }) => legal_name.replace(/^'=/, '='));
  expect(names.toSorted()).toEqual(NAMES.toSorted());
  const pdf = await download(`sessions/${sessionId}/day-sheet.pdf?reason=Names`, chief);
  expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
});

it('names with control characters, line breaks, marks of direction and noncharacters are refused', async () => {
  const { token } = await t.user();
  for (const legal_name of REFUSED) {
    const { status } = await t.request('POST', `${API}/registrations`, { token, body: person({ legal_name }) });
    expect([legal_name, status]).toEqual([legal_name, 422]);
    const centre = { code: 'X1', name: legal_name, address: 'a', district: 'b', latitude: 1, longitude: 1 };
    const created = await t.request('POST', `${API}/centres`, { token: day.manager.token, body: centre });
    expect([legal_name, created.status]).toEqual([legal_name, 422]);
  }
});

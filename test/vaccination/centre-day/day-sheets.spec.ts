import { inflateSync } from 'node:zlib';
import { extractText, getDocumentProxy } from 'unpdf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckInCodesService } from '../../../src/vaccination/appointments/check-in-codes.service.js';
import { startApp, type SignedInUser, type TestApp } from '../../support/app.js';
import { nationalId, person } from '../../support/vaccination/vaccination.js';
import { vaccinationDay } from '../../support/vaccination/vaccination-day.js';
import { vaccinationRows } from '../../support/vaccination/vaccination-rows.js';

const REASON = 'reason=The%20list%20for%20the%20entrance';

let t: TestApp;
let day: Awaited<ReturnType<typeof vaccinationDay>>;
let registrar: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  t.clock.set(Date.parse('2027-01-18T04:00:00Z'));
  day = await vaccinationDay(t);
  registrar = await day.staff(day.centreId, 'registrar');
});
afterAll(() => t.stop());

const sheet = (id: string, { extension = '', query = REASON, token = registrar.token } = {}) =>
  t.request('GET', `/api/vaccination/sessions/${id}/day-sheet${extension}?${query}`, { token });

async function pdfText(id: string, query = REASON): Promise<{ pages: number; text: string; copied: string[] }> {
  const url = `${t.url}/api/vaccination/sessions/${id}/day-sheet.pdf?${query}`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${registrar.token}` } });
  expect(answer.headers.get('content-type')).toBe('application/pdf');
  expect(answer.headers.get('content-disposition')).toBe('attachment; filename="day-sheet.pdf"');
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect(bytes.toString('latin1')).toContain('/FontFile2');
  const document = await getDocumentProxy(new Uint8Array(bytes));
  const { text } = await extractText(document, { mergePages: true });
  return { pages: document.numPages, text: text.replaceAll('\n', ''), copied: copiedTexts(bytes) };
}

/** The texts that readers get who copy from a PDF (ActualText), whatever its glyphs are. */
function copiedTexts(pdf: Buffer): string[] {
  const streams = [...pdf.toString('latin1').matchAll(/FlateDecode\n>>\nstream\n([^]*?)\nendstream/g)];
  const contents = streams.map(([, bytes]) => inflateSync(Buffer.from(bytes!, 'latin1')).toString('latin1')).join('\n');
  return [...contents.matchAll(/\/ActualText \((.*?)(?<!\\)\)\n/gs)].map(([, escaped]) => {
    const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };
    const text = escaped!.replaceAll(/\\(.)/gs, (_, character: string) => escapes[character] ?? character);
    return text.startsWith('\xfe\xff') ? Buffer.from(text.slice(2), 'latin1').swap16().toString('utf16le') : text;
  });
}

const viewsOf = (registrationId: string) =>
  t.dataSource.query<object[]>(
    `select actor_id, details from audit_events where action = 'registration.viewed' and subject_id = $1`,
    [registrationId],
  );

/** A session with a vaccinated person, a booked one, a walk-in and a cancelled appointment. */
async function visitedSession() {
  const { id: sessionId } = await day.session();
  const names = ['রহিম উদ্দিন নির্মাতা', '=HYPERLINK("http://evil.example")', 'Abel Sato', 'Zoe Gone'];
  const people = await Promise.all(names.map((legal_name) => day.person(null, { legal_name })));
  const [given, booked, walkIn, cancelled] = people as [string, string, string, string];
  const visit = await day.visitor({ registrationId: given, sessionId });
  const later = await day.visitor({ registrationId: booked, sessionId, status: 'booked' });
  const { appointmentId } = await day.visitor({ registrationId: walkIn, sessionId });
  await t.dataSource.query('update vaccination_appointments set is_walk_in = true where id = $1', [appointmentId]);
  await day.visitor({ registrationId: cancelled, sessionId, status: 'cancelled' });
  const vaccinator = await day.staff(day.centreId, 'vaccinator');
  const lot = await day.lot();
  const body = { appointment_id: visit.appointmentId, lot_id: lot.id, site: 'LA', route: 'IM' };
  await t.request('POST', '/api/vaccination/doses', { token: vaccinator.token, body });
  return { sessionId, given, booked, walkIn, cancelled, lot, bookedAppointmentId: later.appointmentId };
}

describe('GET /api/vaccination/sessions/:id/day-sheet', () => {
  it('lists who is expected and who came in the order of their names, and audits each person with the reason', async () => {
    const { sessionId, given, booked, walkIn, cancelled, lot } = await visitedSession();
    const { status, body, headers } = await sheet(sessionId);
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(body).toMatchObject({ session: { id: sessionId }, part: 1, parts: 1, total: 3 });
    expect(body.as_of).toBe('2027-01-18T04:00:00.000Z');
    expect(body.items).toEqual([
      expect.objectContaining({ number: 1, registration_id: booked, status: 'booked', given_at: null }),
      expect.objectContaining({ number: 2, registration_id: walkIn, status: 'checked_in', is_walk_in: true }),
      {
        number: 3,
        appointment_id: expect.any(String),
        registration_id: given,
        legal_name: 'রহিম উদ্দিন নির্মাতা',
        date_of_birth: '1990-04-01',
        sex: 'female',
        id_type: 'NID',
        id_number: '*******1234',
        dose: 1,
        status: 'fulfilled',
        is_walk_in: false,
        checked_in_at: '2027-01-18T04:00:00.000Z',
        given_at: '2027-01-18T04:00:00.000Z',
        lot_number: lot.number,
      },
    ]);
    for (const id of [given, booked, walkIn]) {
      expect(await viewsOf(id)).toEqual([{ actor_id: registrar.id, details: { reason: 'The list for the entrance' } }]);
    }
    expect(await viewsOf(cancelled)).toEqual([]);
  });

  it('is sent as CSV in which a spreadsheet runs no formula', async () => {
    const { sessionId, booked, lot } = await visitedSession();
    const { text, headers } = await sheet(sessionId, { extension: '.csv' });
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const [header, first, , last, end] = text.split('\r\n');
    expect(header).toBe(
      'number,legal_name,date_of_birth,sex,id_type,id_number,dose,status,is_walk_in,checked_in_at,given_at,lot_number,' +
        'appointment_id,registration_id',
    );
    expect(first).toMatch(
      /^1,"'=HYPERLINK\(""http:\/\/evil\.example""\)",1990-04-01,female,NID,\*{7}1234,1,booked,no,,,,[-0-9a-f]{36},/,
    );
    expect(last).toContain(`fulfilled,no,2027-01-18T04:00:00.000Z,2027-01-18T04:00:00.000Z,${lot.number},`);
    expect(end).toBe('');
    expect(await viewsOf(booked)).toHaveLength(1);
  });

  it('is sent as a PDF with Bengali names and times of the centre, on several pages for many people', async () => {
    const { sessionId, lot } = await visitedSession();
    const long = await day.person(null, {
      legal_name: `${'Ñandú'.repeat(20)} مرحبا 👩‍👩‍👧 ${'ক্ষ'.repeat(30)}`.slice(0, 150),
    });
    await day.visitor({ registrationId: long, sessionId });
    const { text, pages, copied } = await pdfText(sessionId);
    expect(pages).toBe(1);
    for (const part of ['given 10:00', 'here 10:00 · walk-in', lot.number, '*******1234', 'page 1']) {
      expect(text).toContain(part);
    }
    expect(copied).toContain('রহিম উদ্দিন নির্মাতা');
    const crowded = await day.session({ capacity: 100 });
    const rows = vaccinationRows(t);
    await rows.appointments(crowded.id, await rows.registrations(60), 'booked');
    expect((await pdfText(crowded.id)).pages).toBe(3);
  });

  it('has no number of an id and no code for the check-in in any form', async () => {
    const { sessionId, bookedAppointmentId } = await visitedSession();
    const owner = await t.user();
    const id_number = nationalId();
    const { body } = await t.request('POST', '/api/vaccination/registrations', {
      token: owner.token,
      body: person({ id_number }),
    });
    await day.visitor({ registrationId: body.id, sessionId });
    const code = t.app.get(CheckInCodesService).codeOf(bookedAppointmentId);
    const forms = [(await sheet(sessionId)).text, (await sheet(sessionId, { extension: '.csv' })).text];
    for (const text of [...forms, (await pdfText(sessionId)).text]) {
      expect(text).toContain(`*******${id_number.slice(-4)}`);
      expect(text).not.toContain(id_number);
      expect(text).not.toMatch(new RegExp(`\\b${code}\\b`));
    }
  });

  it('of a large session comes in parts of 1,000 people', async () => {
    const { id } = await day.session({ capacity: 1001 });
    const rows = vaccinationRows(t);
    const people = await rows.registrations(1001);
    await rows.appointments(id, people, 'booked');
    const [first, second] = [await sheet(id), await sheet(id, { query: `${REASON}&part=2` })];
    expect([first.body.items.length, first.body.parts, second.body.items.length]).toEqual([1000, 2, 1]);
    expect(second.body.items[0].number).toBe(1001);
    const ids = [...first.body.items, ...second.body.items].map(
      (row: { registration_id: string }) => row.registration_id,
    );
    expect(ids.toSorted()).toEqual(people.toSorted());
    expect((await sheet(id, { query: `${REASON}&part=3` })).body.items).toEqual([]);
  });

  it('is empty for a session without appointments', async () => {
    const { id } = await day.session();
    expect((await sheet(id)).body).toMatchObject({ total: 0, parts: 1, items: [] });
    expect((await pdfText(id)).pages).toBe(1);
  });

  it.each(['', '.csv', '.pdf'])('%s is for the staff of the centre in person, with a reason', async (extension) => {
    const { sessionId, booked } = await visitedSession();
    const stranger = await day.staff((await day.centre()).id, 'manager');
    const verifier = await t.user('verify_registrations');
    for (const { token } of [stranger, verifier, day.manager, await t.user()]) {
      expect((await sheet(sessionId, { extension, token })).body.code).toBe('forbidden');
    }
    for (const query of ['', 'reason=x', `${REASON}&part=0`, 'reason=Call%200171%20234%205678', `${REASON}&x=1`]) {
      const { body } = await sheet(sessionId, { extension, query });
      expect([query, body.status, body.code]).toEqual([query, 422, 'validation_failed']);
    }
    expect(await viewsOf(booked)).toEqual([]);
  });
});

import base45 from 'base45';
import { inflateRawSync, inflateSync } from 'node:zlib';
import { extractText, getDocumentProxy } from 'unpdf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { NoticesWorker } from '../../src/vaccination/messages/notices.worker.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { dumpRows, findNumbers, inBengali } from '../support/id-leaks.js';
import { startSmsGateway } from '../support/servers/sms-gateway.js';
import { sent, type Smtp, startSmtp } from '../support/servers/smtp-server.js';
import { nationalId, person, vaccinationWorld } from '../support/vaccination/vaccination.js';

const API = '/api/vaccination';
const NOW = Date.parse('2027-01-18T04:00:00Z');

let t: TestApp;
let smtp: Smtp;
let gateway: Awaited<ReturnType<typeof startSmsGateway>>;

beforeAll(async () => {
  [smtp, gateway] = await Promise.all([startSmtp(), startSmsGateway()]);
  const never = { IDENTITY_TOKEN_TTL: 'never', SESSION_MAX_AGE: 'never', REFRESH_TOKEN_TTL: 'never' };
  t = await startApp({ env: { LOG_LEVEL: 'trace', SMTP_URL: smtp.url, SMS_GATEWAY_URL: gateway.url, ...never } });
  t.clock.set(NOW);
});
afterAll(async () => {
  await t.stop();
  await Promise.all([smtp.stop(), gateway.stop()]);
});

/** All that the application sent in answers, decoded where it is a file. */
const answers: string[] = [];
const statuses = new Map<string, number>();

async function call(method: string, path: string, { token }: SignedInUser, body?: unknown, headers = {}) {
  const response = await fetch(t.url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const type = response.headers.get('content-type') ?? '';
  answers.push(bytes.toString('latin1'), bytes.toString(), ...response.headers.values());
  if (type === 'application/pdf')
    answers.push((await extractText(await getDocumentProxy(new Uint8Array(bytes)), { mergePages: true })).text);
  statuses.set(`${method} ${path.replaceAll(/[0-9a-f-]{36}/g, ':id').split('?')[0]}`, response.status);
  const parsed = (type.includes('json') ? JSON.parse(bytes.toString()) : {}) as Record<string, never>;
  return { status: response.status, body: parsed };
}

/** What the two forms of a certificate contain. */
function decode({ hcert, shc }: { hcert: string; shc: string }): string[] {
  const jws = (shc.slice('shc:/'.length).match(/\d\d/g) ?? [])
    .map((pair) => String.fromCharCode(Number(pair) + 45))
    .join('');
  const [header, payload] = jws.split('.').map((part) => Buffer.from(part, 'base64url')) as [Buffer, Buffer];
  return [inflateSync(base45.decode(hcert.slice(4))), header, inflateRawSync(payload)].flatMap((bytes) => [
    bytes.toString('latin1'),
    bytes.toString(),
  ]);
}

/** How each of the people writes the number of the id. */
const PEOPLE = [
  (number: string) => ({ id_number: number }),
  (number: string) => ({ id_number: `1990${number}` }),
  (number: string) => ({ id_number: inBengali(`1990${number}`) }),
  (number: string) => ({ id_number: `1990-${number.slice(0, 4)}-${number.slice(4, 9)} ${number.slice(9)}` }),
  (number: string) => ({ id_type: 'BIRTH_REG', id_number: `1990${number}` }),
  (number: string) => ({ id_type: 'PASSPORT', id_number: `b${number.slice(0, 9)}` }),
];

/** A drive from the registration to the report, with refusals at every step. Returns the numbers that were entered. */
async function drive(): Promise<string[]> {
  const world = await vaccinationWorld(t);
  const { id: centre_id } = await world.centre();
  const { id: vaccine_id } = await world.vaccine({ cvx_code: '208', who_code: 'J07BN01' });
  const [chief, verifier, reporter, manager] = [
    await world.staff(centre_id, 'manager'),
    await t.user('verify_registrations'),
    await t.user('view_vaccine_reports'),
    world.manager,
  ];
  const { id: session_id } = await world.session({ centre_id, vaccine_id, days: 0, walk_in_capacity: 3 });
  const { id: later } = await world.session({ centre_id, vaccine_id, days: 3 });
  const { body: lot } = await call('POST', `${API}/lots`, chief, {
    centre_id,
    vaccine_id,
    number: 'FA4598',
    expires_on: '2027-12-31',
    received: 50,
  });
  const numbers = PEOPLE.map(() => nationalId());
  const reason = 'reason=Drive';

  for (const [index, write] of PEOPLE.entries()) {
    const number = numbers[index]!;
    const fields = person(write(number));
    const owner = await t.verifiedUser();
    const { body: registration } = await call('POST', `${API}/registrations`, owner, fields);
    await call('POST', `${API}/registrations`, await t.user(), fields); // 409: a duplicate
    await attack(number, owner, verifier, chief);
    await call('POST', `${API}/registrations/${registration['id']}/verify`, verifier);
    await call('GET', `${API}/registrations?${reason}&status=verified`, verifier);
    await call('GET', `${API}/registrations/${registration['id']}/eligibility`, owner);
    const booking = { registration_id: registration['id'], session_id };
    const { body: appointment } = await call('POST', `${API}/appointments`, owner, booking, {
      'idempotency-key': number,
    });
    await call('POST', `${API}/appointments`, owner, { ...booking, session_id: later }, { 'idempotency-key': number }); // 422
    await call('POST', `${API}/appointments`, owner, booking); // 409
    const path = `${API}/appointments/${appointment['id']}`;
    await call('POST', `${path}/check-in`, chief, { code: '000000' });
    await call('POST', `${path}/check-in`, chief, { override_reason: `Saw ${number}` }); // 422
    await call('POST', `${path}/check-in`, chief, { code: appointment['check_in_code'] });
    const { body: dose } = await call('POST', `${API}/doses`, chief, {
      appointment_id: appointment['id'],
      lot_id: lot['id'],
      site: 'LA',
      route: 'IM',
    });
    const event = { dose_id: dose['id'], code: 'fever', severity: 'mild', is_serious: false, onset_at: new Date(NOW) };
    await call('POST', `${API}/adverse-events`, chief, event);
    await call('POST', `${API}/adverse-events`, chief, { ...event, description: `Id ${number}` }); // 422
    await certificates(owner, dose['id']!, chief);
    await fhir(owner, registration['id']!, number);
    await call('GET', `${API}/registrations/${registration['id']}/export`, owner);
  }
  for (const suffix of ['', '.csv', '.pdf']) {
    await call('GET', `${API}/sessions/${session_id}/day-sheet${suffix}?${reason}`, chief);
  }
  t.clock.advance(9 * 86_400_000); // the days and weeks of the reports are over
  for (const report of ['coverage', 'utilisation', 'no-shows', 'anomalies', 'adverse-events']) {
    for (const suffix of ['', '.csv', '.svg']) await call('GET', `${API}/reports/${report}${suffix}`, reporter);
  }
  await call('POST', `${API}/recalls`, manager, { vaccine_id, number: 'fa4598', reason: 'Too warm.' });
  await call('GET', `${API}/lots/${lot['id']}/recipients?${reason}`, chief);
  await call('POST', `${API}/sessions/${later}/cancel`, chief, { reason: `Ask ${numbers[0]}` }); // 422
  for (const table of ['centres', 'staff', 'lots', 'sessions']) {
    await call('GET', `${API}/exports/${table}.csv`, manager);
    await call('POST', `${API}/imports/${table}`, manager, `${numbers[0]}\n${numbers[1]}\n`, {
      'content-type': 'text/csv',
    });
  }
  await call('GET', '/api/audit?limit=100', { ...manager, token: await t.asAdmin() });
  await t.app.get(NoticesWorker).run();
  await sent(t);
  return [...numbers.slice(0, -1), `B${numbers.at(-1)!.slice(0, 9)}`, `b${numbers.at(-1)!.slice(0, 9)}`];
}

/** Puts the number where it does not belong: the answer and the log must not repeat it. */
async function attack(number: string, owner: SignedInUser, verifier: SignedInUser, chief: SignedInUser): Promise<void> {
  const path = `${API}/registrations`;
  await call('POST', path, owner, person({ legal_name: `Hana ${number}` }));
  await call('POST', path, owner, person({ legal_name: `Hana ${inBengali(number)}` }));
  await call('POST', path, owner, person({ id_number: `${number}${number}` }));
  await call('POST', path, owner, person({ id_number: [number] }));
  await call('POST', path, owner, person({ date_of_birth: number }));
  await call('POST', path, owner, person({ phone: number }));
  await call('POST', path, owner, person({ sex: number }));
  await call('POST', path, owner, person({ [number]: number }));
  await call('POST', path, owner, person({ extra: { [number]: number } }));
  await call('POST', path, owner, `{"id_number": "${number}`);
  await call('POST', path, owner, number);
  await call('GET', `${path}/${number}`, owner);
  await call('GET', `${path}/${number.slice(0, 4)}-${number.slice(4)}/eligibility`, owner);
  await call('GET', `${path}/${inBengali(number)}`, owner);
  await call('GET', `${path}?reason=${number}&${number}=1&cursor=${number}`, verifier);
  await call('GET', `${API}/sessions?district=${number}&near=${number}&cursor=${number}`, owner);
  await call('POST', `${API}/doses`, chief, { appointment_id: number, lot_id: number, site: number, route: number });
  await call('POST', `${API}/certificates/verify`, owner, { qr: number });
  await call('POST', `${API}/certificates/verify`, owner, number, { 'content-type': 'text/plain' });
  await call('GET', `${API}/nothing/${number}`, owner);
}

async function certificates(owner: SignedInUser, dose_id: string, chief: SignedInUser): Promise<void> {
  const { body } = await call('POST', `${API}/certificates`, owner, { dose_id });
  const path = `${API}/certificates/${body['id']}`;
  for (const suffix of ['', '.png', '.svg', '.svg?form=shc', '.png?form=shc', '.pdf', '.smart-health-card']) {
    await call('GET', path + suffix, owner);
  }
  answers.push(...decode(body as never));
  await call('POST', `${API}/certificates/verify`, owner, { qr: body['hcert'] });
  await call('GET', `${API}/doses/${dose_id}/certificate.pdf?reason=Printed`, chief);
}

async function fhir(owner: SignedInUser, id: string, number: string): Promise<void> {
  await call('GET', `${API}/fhir/Patient/${id}/$everything`, owner);
  await call('GET', `${API}/fhir/Patient?identifier=${number}`, owner);
  await call('GET', `${API}/fhir/Patient?${number}=${number}`, owner);
  await call('GET', `${API}/fhir/Patient/${number}`, owner);
  for (const type of ['Patient', 'Immunization', 'ImmunizationRecommendation', 'Appointment', 'Slot']) {
    await call('GET', `${API}/fhir/${type}?${type === 'Patient' || type === 'Slot' ? '' : `patient=${id}`}`, owner);
  }
}

it('no national id is in the database, logs, mails, SMS, certificates and answers after a drive with refusals at every step', async () => {
  const numbers = await drive();
  const places = {
    rows: await dumpRows(t),
    log: t.logLines.join(''),
    mails: smtp.mails.flatMap(({ raw, text, subject }) => [raw, text, subject]).join('\n'),
    sms: gateway.messages.map((message) => JSON.stringify(message)).join('\n'),
    answers: answers.join('\n'),
  };
  // The drive went all the way: otherwise there would be little to find.
  expect(places.rows.match(/^vaccination_doses /gm)).toHaveLength(PEOPLE.length);
  expect(places.rows.match(/^vaccination_certificates /gm)).toHaveLength(PEOPLE.length);
  expect(places.mails).toContain('Recall of a vaccine lot');
  expect(gateway.messages.length).toBeGreaterThanOrEqual(PEOPLE.length);
  expect([...statuses].filter(([, status]) => status >= 500)).toEqual([]);
  for (const [place, text] of Object.entries(places)) {
    expect([place, findNumbers(numbers, text)]).toEqual([place, []]);
  }
  const [first] = numbers as [string];
  for (const written of [first, inBengali(first), `a ${Buffer.from(`id ${first} `).toString('base64')}`]) {
    expect(findNumbers(numbers, `{"text":"${written}"}`)).toEqual([first]); // the search itself finds them
  }
});

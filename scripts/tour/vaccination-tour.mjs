// `npm run tour:vaccination`: walks through a vaccination drive on a running Machi and prints the requests and answers. Starts a
// Machi with a temporary database if none runs. `-- --write` puts the output into docs/vaccination.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepare, root } from '../prepare.mjs';

await prepare();
const { inDays, isRunning, newClient, newNationalId, PASSWORD, readSettings, signInAsAdministrator } =
  await import('../development.mjs');
const { startTemporaryMachi } = await import('../temporary-machi.mjs');
const { answerLines, requestLines } = await import('./tour-print.mjs');

const ERRORS = ['code', 'detail', 'remaining_tries'];
const DAY_MS = 86_400_000;
const DHAKA_OFFSET_MS = 6 * 3_600_000;
const REPORT = ['dry_run', 'rows', 'created', 'updated', 'unchanged', 'errors'];
const lines = [];

function print(line) {
  lines.push(line);
  console.log(line);
}

const say = (text) => print(`${text}\n`);

const { url } = readSettings();
const tokens = {};

/** Sends a request. Prints it, with the named members of the answer, if there are names. */
async function call(who, method, path, { body, table, headers = {}, names } = {}) {
  const response = await fetch(url + encodeURI(path), {
    method,
    headers: {
      ...(tokens[who] ? { authorization: `Bearer ${tokens[who]}` } : {}),
      ...(table || body ? { 'content-type': table ? 'text/csv' : 'application/json' } : {}),
      ...headers,
    },
    body: table ?? (body && JSON.stringify(body)),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  const answer = isJson ? JSON.parse(text) : text.replace(/^\ufeff/, '').trim();
  if (!names && !response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  if (names) {
    for (const line of requestLines(who, method, path, body && shortened(body)).filter(Boolean)) print(line);
    for (const [name, value] of Object.entries(headers)) print(`        ${name}: ${value}`);
    for (const line of (table ?? '').trim().split('\n').filter(Boolean)) print(`        ${line}`);
    if (isJson || text === '')
      for (const line of answerLines(who, response.status, answer || undefined, names)) print(line);
    else for (const line of [`${who} ← ${response.status}`, ...answer.split(/\r?\n/)]) print(`    ${line}`);
    print('');
  }
  return answer;
}

const shortened = (body) => (body.qr ? { qr: `${body.qr.slice(0, 24)}…` } : body);

async function newUser(who, suffix, fullname) {
  const username = `${who}${suffix}`;
  const { id } = await call(who, 'POST', '/api/users', { body: { username, password: PASSWORD, fullname } });
  const { identity_token } = await call(who, 'POST', '/api/sessions', {
    body: { login: username, password: PASSWORD },
  });
  tokens[who] = identity_token;
  return { id, username };
}

async function findSuffix() {
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? '' : `.${number}`;
    const { items } = await call('admin', 'GET', `/api/users?q=nila${suffix}`);
    if (!items.some(({ username }) => username === `nila${suffix}`)) return suffix;
  }
}

async function drive() {
  const password = await signInAsAdministrator(newClient(url));
  const login = process.env.ADMIN_USERNAME || 'admin';
  tokens.admin = (await call('admin', 'POST', '/api/sessions', { body: { login, password } })).identity_token;
  const suffix = await findSuffix();
  const { username: vaccinator } = await newUser('nila', suffix, 'Nila Khan');
  const [centre, vaccine, lot] = [`DHK-03${suffix}`, `CVX-208${suffix}`, `FA4598${suffix}`];
  const session = await setUp({ centre, vaccine, lot, vaccinator });
  const family = await register(suffix, vaccine);
  const appointments = await book(family, session);
  await vaccinate(appointments, session);
  await showCertificates();
  await showReports(session);
}

async function setUp({ centre, vaccine, lot, vaccinator }) {
  say('### Set up');
  say('An administrator, or a user with `manage_vaccines`, adds the vaccine with its doses.');
  const doses = [
    { min_interval_days: 0, recommended_interval_days: 0, grace_days: 0 },
    { min_interval_days: 28, recommended_interval_days: 56, grace_days: 4 },
  ];
  const product = { name: 'Comirnaty', manufacturer: 'Biontech Manufacturing GmbH', disease: '840539006' };
  await call('admin', 'POST', '/api/vaccination/vaccines', {
    body: { code: vaccine, ...product, cvx_code: '208', min_age_months: 60, doses },
    names: ['id', 'code', 'is_active'],
  });
  say('Centres, staff, lots and sessions come as CSV. A dry run finds the mistakes and changes nothing.');
  const header = 'code,name,address,district,latitude,longitude';
  const row = `${centre},Dhanmondi Community Centre,"Road 7, Dhanmondi",Dhaka`;
  const imported = (kind, table, query = '') =>
    call('admin', 'POST', `/api/vaccination/imports/${kind}${query}`, { table, names: REPORT });
  await imported('centres', `${header}\n${row},north,90.3742\n`, '?dry_run=true');
  const centres = `${header}\n${row},23.7461,90.3742\n`;
  await imported('centres', centres);
  say('The same file again changes nothing.');
  await imported('centres', centres);
  say('Staff are users of Machi, and sessions refer to centres and vaccines by their codes.');
  await imported('staff', `centre,username,role\n${centre},${vaccinator},vaccinator\n`);
  await imported('lots', `centre,vaccine,number,expires_on,received\n${centre},${vaccine},${lot},2029-12-31,600\n`);
  say(
    'This session began yesterday, so that the report at the end, which counts days that are over, has something to count.',
  );
  const second = (time) => `${time.slice(0, 19)}Z`;
  const hours = await hoursOpen();
  const [starts, ends, opens] = [inDays(-1, hours), inDays(0, hours), inDays(-8)].map(second);
  const columns = 'centre,vaccine,dose,starts_at,ends_at,opens_at,capacity,walk_in_capacity,status';
  await imported('sessions', `${columns}\n${centre},${vaccine},1,${starts},${ends},${opens},120,10,open\n`);
  const { items } = await call('admin', 'GET', '/api/vaccination/centres?district=Dhaka&limit=100');
  const { id } = items.find(({ code }) => code === centre);
  const sessions = await call('admin', 'GET', `/api/vaccination/sessions?centre=${id}`);
  const lots = await call('admin', 'GET', `/api/vaccination/lots?centre_id=${id}`);
  return { id: sessions.items[0].id, centreId: id, lotId: lots.items[0].id, startsAt: sessions.items[0].starts_at };
}

/**
 * How long a session that lasts 24 hours, the longest, can stay open if it began yesterday in Dhaka: ten minutes, or less
 * before midnight. Waits for midnight if that is too short for the tour.
 */
async function hoursOpen() {
  const beforeMidnight = () => DAY_MS - ((Date.now() + DHAKA_OFFSET_MS) % DAY_MS);
  if (beforeMidnight() < 30_000) await sleep(beforeMidnight());
  return Math.min(600_000, beforeMidnight() - 1_000) / 3_600_000;
}

async function register(suffix, vaccine) {
  say('### Register and verify');
  say('Hana registers herself. The number of her id is stored encrypted, and nobody sees more than its end.');
  await newUser('hana', suffix, 'Hana Sato');
  const person = (fields) => ({
    legal_name: 'Hana Sato',
    date_of_birth: '1990-04-01',
    sex: 'female',
    id_type: 'NID',
    id_number: newNationalId(),
    phone: '01712345678',
    ...fields,
  });
  const path = '/api/vaccination/registrations';
  const { id } = await call('hana', 'POST', path, {
    body: person(),
    names: ['id', 'legal_name', 'id_number', 'phone', 'status'],
  });
  say('Staff with `verify_registrations` reads what is pending, with a reason, and decides.');
  await call('admin', 'GET', `${path}?status=pending&limit=1&reason=Daily verification`, {
    names: ['items', 'legal_name', 'date_of_birth', 'id_type', 'id_number', 'next_cursor'],
  });
  await call('admin', 'POST', `${path}/${id}/verify`, { names: ['status', 'decided_at'] });
  say('Before Hana looks for a place, she asks what she can get, and when.');
  const { items } = await call('hana', 'GET', '/api/vaccination/vaccines?limit=100');
  const vaccineId = items.find(({ code }) => code === vaccine).id;
  await call('hana', 'GET', `${path}/${id}/eligibility?vaccine=${vaccineId}`, {
    names: ['today', 'items', 'is_eligible', 'next_dose', 'earliest_day', 'reasons'],
  });
  const family = [id];
  for (const [index, name] of ['Ren Sato', 'Mika Sato', 'Aki Sato', 'Yui Sato'].entries()) {
    const body = person({ legal_name: name, date_of_birth: `201${index}-05-05`, is_dependant: true });
    const { id: dependant } = await call('hana', 'POST', path, { body });
    await call('admin', 'POST', `${path}/${dependant}/verify`);
    family.push(dependant);
  }
  return family;
}

async function book([hana, ...others], { id: session_id, centreId }) {
  say('### Book');
  await call('hana', 'GET', `/api/vaccination/sessions?centre=${centreId}&dose=1&available=true`, {
    names: ['items', 'id', 'dose', 'starts_at', 'available', 'status', 'next_cursor', 'as_of'],
  });
  say(
    'A repeated request with the same `Idempotency-Key` gets the same appointment. Only Hana sees the code for the check-in.',
  );
  const request = {
    body: { registration_id: hana, session_id },
    headers: { 'idempotency-key': 'a-new-value-for-each-booking' },
  };
  const names = ['id', 'dose', 'status', 'check_in_code', 'changeable_until'];
  const path = '/api/vaccination/appointments';
  const booked = [await call('hana', 'POST', path, { ...request, names })];
  await call('hana', 'POST', path, { ...request, names: ['id', 'status'] });
  await call('hana', 'POST', path, { body: request.body, names: [...ERRORS, 'reasons'] });
  say('She books for her four children in the same way.');
  for (const registration_id of others) {
    booked.push(await call('hana', 'POST', path, { body: { registration_id, session_id } }));
  }
  return booked;
}

async function vaccinate([first, ...others], { id: session, lotId: lot_id, startsAt }) {
  say("### The centre's day");
  say(
    'The vaccinator reads the day sheet (also `.csv`, and `.pdf` to print), which is written to the audit log with the reason.',
  );
  await call('nila', 'GET', `/api/vaccination/sessions/${session}/day-sheet?reason=Morning list`, {
    names: ['items', 'number', 'legal_name', 'date_of_birth', 'dose', 'status'],
  });
  say('Hana shows her code. Five wrong ones lock the check-in.');
  const path = ({ id }) => `/api/vaccination/appointments/${id}/check-in`;
  const code = first.check_in_code;
  const wrong = code === '000000' ? '000001' : '000000';
  await call('nila', 'POST', path(first), { body: { code: wrong }, names: ERRORS });
  await call('nila', 'POST', path(first), { body: { code }, names: ['status', 'checked_in_at'] });
  say('The record of the dose names lot, site and route. The stock of the lot falls by one.');
  const dose = ({ id }) => ({ appointment_id: id, lot_id, site: 'LA', route: 'IM', given_at: startsAt });
  await call('nila', 'POST', '/api/vaccination/doses', {
    body: dose(first),
    names: ['id', 'lot_number', 'dose', 'status', 'site', 'route', 'given_at'],
  });
  await call('nila', 'POST', '/api/vaccination/doses', { body: dose(first), names: ERRORS });
  for (const appointment of others) {
    await call('nila', 'POST', path(appointment), { body: { code: appointment.check_in_code } });
    await call('nila', 'POST', '/api/vaccination/doses', { body: dose(appointment) });
  }
}

async function showCertificates() {
  say('### Certificate and verification');
  say('The certificate was issued with the record. Hana gets it as JSON, PNG, SVG, PDF and SMART Health Card.');
  const { items } = await call('hana', 'GET', '/api/vaccination/certificates/me?limit=100');
  const { id, hcert } = items.find(({ given_names }) => given_names === 'Hana');
  await call('hana', 'GET', `/api/vaccination/certificates/${id}`, {
    names: ['uvci', 'family_name', 'given_names', 'product', 'dose', 'doses', 'given_on', 'status'],
  });
  say('Anyone verifies the text of the QR code. One changed character makes it invalid.');
  const names = ['valid', 'reason', 'certificate', 'family_name', 'given_names', 'date_of_birth', 'dose', 'doses'];
  const path = '/api/vaccination/certificates/verify';
  await call('anyone', 'POST', path, { body: { qr: hcert }, names });
  const last = hcert.at(-1) === '0' ? '1' : '0';
  await call('anyone', 'POST', path, { body: { qr: hcert.slice(0, -1) + last }, names });
}

async function showReports({ centreId }) {
  say('### Report');
  say('With `view_vaccine_reports`. Counts below 5 are withheld.');
  const path = '/api/vaccination/reports/coverage';
  const names = ['from', 'to', 'by', 'items', 'total'];
  const report = await call('admin', 'GET', `${path}?centre=${centreId}&by=centre,dose`, { names });
  await call('admin', 'GET', `${path}.csv?centre=${centreId}&by=centre,dose`, { names });
  say('By sex and age band, people are counted by whole weeks: a single day has no counts.');
  const day = report.to;
  await call('admin', 'GET', `${path}?centre=${centreId}&from=${day}&to=${day}&by=sex`, { names });
}

const temporary = (await isRunning(url)) ? undefined : await startTemporaryMachi(url);
try {
  await drive();
} finally {
  await temporary?.stop();
}
if (process.argv.includes('--write')) {
  const file = join(root, 'docs/vaccination.md');
  const section = `<!-- drive -->\n\n${lines.join('\n').trim()}\n\n<!-- end of the drive -->`;
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(/<!-- drive -->[^]*<!-- end of the drive -->/, () => section),
  );
}
process.exit(0);

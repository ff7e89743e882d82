import type { SignedInUser } from '../app.js';
import { person as newPerson } from '../vaccination/vaccination.js';
import { vaccinationDay } from '../vaccination/vaccination-day.js';
import type { Walker } from './walker.js';

const API = '/api/vaccination';
const REASON = 'reason=A%20walk%20through%20the%20routes';

type Day = Awaited<ReturnType<typeof vaccinationDay>>;

/** What everybody and the staff of the large centres read. */
export async function walkVaccinationLists(w: Walker): Promise<void> {
  const { t, person } = w;
  const manager = (await t.user('manage_vaccines')).token;
  const verifier = (await t.user('verify_registrations')).token;
  const { centre, vaccine, day, lot, session } = await w.queryRow<Record<string, string>>(
    `select c.id as centre, l.vaccine_id as vaccine, s.id as session, l.id as lot,
      (select id from vaccination_sessions where booked = 100 limit 1) as day
    from vaccination_centres c join vaccine_lots l on l.centre_id = c.id
    join vaccination_sessions s on s.centre_id = c.id and s.vaccine_id = l.vaccine_id and s.starts_at > now()
    where c.code = 'LARGE-1' order by l.recalled_at nulls last limit 1`,
  );
  const open = [
    '',
    `?centre=${centre}`,
    `?vaccine=${vaccine}&available=true`,
    '?district=District%201',
    '?near=23.7,90.3',
  ];
  for (const query of [...open, '?status=closed&from=2020-01-01']) await w.list(`${API}/sessions${query}`);
  for (const path of ['vaccines', 'vaccines?is_active=true', 'centres', 'centres?status=active'])
    await w.list(`${API}/${path}`);
  await w.get(`${API}/centres?district=District%201`);
  await w.list(`${API}/lots?centre_id=${centre}`);
  for (const path of ['lots', `lots?vaccine_id=${vaccine}`, 'recalls']) await w.list(`${API}/${path}`, manager);
  await w.list(`${API}/centres/${centre}/staff`, manager);
  await w.list(`${API}/lots/${lot}/recipients?${REASON}`, manager);
  for (const path of [`vaccines/${vaccine}`, `centres/${centre}`, `lots/${lot}`, `sessions/${session}`])
    await w.get(`${API}/${path}`);
  for (const status of ['', '&status=pending', '&status=verified'])
    await w.list(`${API}/registrations?${REASON}${status}`, verifier);
  for (const path of ['registrations/me', 'appointments/me', 'doses/me', 'certificates/me'])
    await w.get(`${API}/${path}`);
  const [own] = (await w.get(`${API}/registrations/me`))['items'] as [{ id: string }];
  for (const path of ['', '/eligibility', `/eligibility?vaccine=${vaccine}&centre=${centre}`, '/export'])
    await w.get(`${API}/registrations/${own.id}${path}`);
  for (const suffix of ['', '.csv', '.pdf'])
    await w.sendRaw('GET', `${API}/sessions/${day}/day-sheet${suffix}?${REASON}`, person.token);
  for (const table of ['centres', 'staff', 'lots', 'sessions']) {
    await w.sendRaw('GET', `${API}/exports/${table}.csv?centre=${centre}`, manager);
    await w.sendRaw('GET', `${API}/exports/${table}.csv?district=District%201`, manager);
  }
  await walkReports(w, String(centre));
  await walkFhir(w, verifier);
}

async function walkReports(w: Walker, centre: string): Promise<void> {
  const { token } = await w.t.user('view_vaccine_reports');
  const [from, to] = [40, 10].map((days) => new Date(w.t.clock.now() - days * 86_400_000).toISOString().slice(0, 10));
  for (const report of ['coverage', 'utilisation', 'no-shows', 'adverse-events', 'anomalies']) {
    for (const suffix of ['', '.csv', '.svg'])
      await w.sendRaw('GET', `${API}/reports/${report}${suffix}?from=${from}&to=${to}`, token);
    if (report !== 'adverse-events')
      await w.sendRaw('GET', `${API}/reports/${report}?from=${from}&to=${to}&centre=${centre}`, token);
  }
}

async function walkFhir(w: Walker, verifier: string): Promise<void> {
  const fhir = `${API}/fhir`;
  const [own] = (await w.get(`${API}/registrations/me`))['items'] as [{ id: string }];
  await w.get(`${fhir}/metadata`, '');
  for (const path of [`Patient/${own.id}`, `Patient/${own.id}/$everything`, `ImmunizationRecommendation/${own.id}`])
    await w.get(`${fhir}/${path}`);
  for (const kind of ['Patient', 'Immunization', 'ImmunizationRecommendation', 'Appointment', 'Slot'])
    await w.get(`${fhir}/${kind}`);
  await w.get(`${fhir}/Patient?_id=${own.id}&${REASON}`, verifier);
  for (const kind of ['Immunization', 'Appointment'])
    await w.get(`${fhir}/${kind}?patient=${own.id}&${REASON}`, verifier);
  for (const kind of ['Immunization', 'Appointment', 'ImmunizationRecommendation'])
    await w.get(`${fhir}/${kind}?patient=${own.id}`);
  for (const kind of ['Immunization', 'Appointment']) {
    const { entry = [] } = (await w.get(`${fhir}/${kind}`)) as { entry?: { resource: { id: string } }[] };
    for (const { resource } of entry.slice(0, 1)) await w.get(`${fhir}/${kind}/${resource.id}`);
  }
  const { entry } = (await w.get(`${fhir}/Slot`)) as unknown as { entry: { resource: { id: string } }[] };
  await w.get(`${fhir}/Slot/${entry[0]!.resource.id}`);
}

/** A day at a centre: from the registration to the certificate, and all that may go wrong. */
export async function walkVaccinationDay(w: Walker): Promise<void> {
  const day = await vaccinationDay(w.t);
  const chief = await day.staff(day.centreId, 'manager');
  const { token } = day.manager;
  await w.send('PATCH', `${API}/centres/${day.centreId}`, { token, body: { name: 'Renamed' } });
  await w.send('PATCH', `${API}/vaccines/${day.vaccineId}`, { token, body: { name: 'Renamed' } });
  const helper = await w.t.user();
  const post = `${API}/centres/${day.centreId}/staff/${helper.id}`;
  await w.send('PUT', post, { token, body: { role: 'vaccinator' } });
  await w.send('DELETE', post, { token });
  await walkRegistrations(w, day);
  await walkBookings(w, day, chief);
  await walkDoses(w, day, chief);
  await walkSessions(w, day, chief);
  await walkImports(w, day);
}

async function walkRegistrations(w: Walker, day: Day): Promise<void> {
  const verifier = (await w.t.user('verify_registrations')).token;
  const one = await day.registration();
  const { token } = one.owner;
  await w.get(`${API}/registrations/${one.id}?${REASON}`, verifier);
  await w.send('POST', `${API}/registrations/${one.id}/withdraw`, { token });
  const two = await day.registration({ status: 'pending' });
  await w.send('POST', `${API}/registrations/${two.id}/reject`, { token: verifier, body: { reason: 'Another name.' } });
  const changes = { legal_name: 'Hana Sato', id_number: newPerson().id_number };
  await w.send('PATCH', `${API}/registrations/${two.id}`, { token: two.owner.token, body: changes });
  await w.send('DELETE', `${API}/registrations/${two.id}`, { token: two.owner.token });
}

async function walkBookings(w: Walker, day: Day, chief: SignedInUser): Promise<void> {
  const [first, second] = [await day.session({ days: 7, capacity: 1 }), await day.session({ days: 8 })];
  const [one, two] = [await day.registration(), await day.registration()];
  const book = (registration_id: string, session_id: string) => ({ registration_id, session_id });
  const mine = { token: one.owner.token };
  const booked = await w.send('POST', `${API}/appointments`, {
    ...mine,
    body: book(one.id, first.id),
    headers: { 'idempotency-key': 'walk' },
  });
  const own = `${API}/appointments/${booked['id']}`;
  await w.get(own, mine.token);
  const waitlist = `${API}/sessions/${first.id}/waitlist`;
  const waiting = { token: two.owner.token };
  await w.send('POST', waitlist, { ...waiting, body: { registration_id: two.id } });
  await w.get(waitlist, waiting.token);
  await w.send('DELETE', `${waitlist}/${two.id}`, waiting);
  await w.send('POST', waitlist, { ...waiting, body: { registration_id: two.id } });
  await w.send('PATCH', own, { ...mine, body: { session_id: second.id } });
  await w.send('DELETE', own, mine);
  await w.send('POST', `${API}/sessions/${first.id}/cancel`, { token: chief.token, body: { reason: 'No vaccine.' } });
}

async function walkDoses(w: Walker, day: Day, chief: SignedInUser): Promise<void> {
  const { t } = w;
  const { token } = chief;
  const today = await day.session({ starts_at: at(w, -1), ends_at: at(w, 4), opens_at: at(w, -40) });
  const lot = await day.lot();
  const walkIn = await day.registration();
  const { id } = await w.send('POST', `${API}/sessions/${today.id}/walk-ins`, {
    token,
    body: { registration_id: walkIn.id },
  });
  const one = await day.visitor({ sessionId: today.id, status: 'booked' });
  const { check_in_code: code } = await w.get(`${API}/appointments/${one.appointmentId}`, one.owner.token);
  await w.send('POST', `${API}/appointments/${one.appointmentId}/check-in`, { token, body: { code } });
  const given = { lot_id: lot.id, site: 'LA', route: 'IM' };
  const dose = await w.send('POST', `${API}/doses`, { token, body: { ...given, appointment_id: one.appointmentId } });
  await w.send('POST', `${API}/doses`, { token, body: { ...given, appointment_id: id } });
  const path = `${API}/doses/${dose['id']}`;
  await w.get(`${path}?${REASON}`, token);
  await w.sendRaw('GET', `${path}/certificate.pdf?${REASON}`, token);
  const event = { dose_id: dose['id'], code: 'fever', severity: 'mild', is_serious: false, onset_at: t.clock.date() };
  const reported = await w.send('POST', `${API}/adverse-events`, { token, body: event });
  await w.get(`${API}/adverse-events?dose_id=${dose['id']}&${REASON}`, token);
  await w.get(`${API}/adverse-events?centre_id=${day.centreId}&${REASON}`, token);
  const wrong = { token, body: { reason: 'It was recorded for another person.' } };
  await w.send('POST', `${API}/adverse-events/${reported['id']}/entered-in-error`, wrong);
  await walkCertificates(w, one.owner, String(dose['id']));
  await w.send('POST', `${path}/entered-in-error`, wrong);
  await w.send('PATCH', `${API}/lots/${lot.id}`, { token, body: { received: 20 } });
  await w.send('POST', `${API}/lots/${lot.id}/recall`, { token, body: { reason: 'Too warm.' } });
  const recall = { vaccine_id: day.vaccineId, number: 'WALK-1', reason: 'Too warm.' };
  const recalled = await w.send('POST', `${API}/recalls`, { token: day.manager.token, body: recall });
  await w.get(`${API}/recalls/${recalled['id']}`, day.manager.token);
  await w.get(`${API}/recalls/${recalled['id']}/recipients?${REASON}`, day.manager.token);
}

const at = (w: Walker, hours: number): string => new Date(w.t.clock.now() + hours * 3_600_000).toISOString();

async function walkCertificates(w: Walker, { token }: SignedInUser, dose_id: string): Promise<void> {
  const certificate = await w.send('POST', `${API}/certificates`, { token, body: { dose_id } });
  const path = `${API}/certificates/${certificate['id']}`;
  for (const suffix of ['', '.png', '.svg', '.pdf', '.smart-health-card']) await w.sendRaw('GET', path + suffix, token);
  for (const qr of [certificate['hcert'], certificate['shc']])
    await w.send('POST', `${API}/certificates/verify`, { body: { qr } });
  const keys = await w.get('/.well-known/hcert-keys.json', '');
  const [{ kid }] = keys['keys'] as [{ kid: string }];
  const base64url = Buffer.from(kid, 'base64').toString('base64url');
  await w.get(`${API}/certificates/hcert/revocations/${base64url}`, '');
  const jwks = await w.get(`${API}/certificates/shc/.well-known/jwks.json`, '');
  const [{ kid: shcKid }] = jwks['keys'] as [{ kid: string }];
  await w.get(`${API}/certificates/shc/.well-known/crl/${shcKid}.json`, '');
}

async function walkSessions(w: Walker, day: Day, chief: SignedInUser): Promise<void> {
  const { token } = chief;
  const planned = await day.session({ days: 9, status: 'draft' });
  const path = `${API}/sessions/${planned.id}`;
  await w.send('PATCH', path, { token, body: { capacity: 30 } });
  for (const action of ['open', 'close']) await w.send('POST', `${path}/${action}`, { token });
  const [from, to] = [20, 40].map((days) => at(w, days * 24).slice(0, 10));
  const recurring = { weekdays: ['mon', 'thu'], start_time: '09:00', end_time: '12:00', opens_days_before: 14 };
  const of = { centre_id: day.centreId, vaccine_id: day.vaccineId, capacity: 10, from, to };
  await w.send('POST', `${API}/sessions/recurring`, { token, body: { ...of, ...recurring } });
  const late = await day.session({ starts_at: at(w, -6), ends_at: at(w, -3), opens_at: at(w, -40) });
  const missing = await day.visitor({ sessionId: late.id, status: 'booked' });
  await w.send('POST', `${API}/appointments/${missing.appointmentId}/no-show`, { token });
}

async function walkImports(w: Walker, day: Day): Promise<void> {
  const { token } = day.manager;
  const { centre, vaccine } = await w.queryRow<Record<string, string>>(
    'select c.code as centre, v.code as vaccine from vaccination_centres c, vaccines v where c.id = $1 and v.id = $2',
    [day.centreId, day.vaccineId],
  );
  const tables = {
    centres: `code,name,address,district,latitude,longitude\nWALK,Walk,Road 7,Dhaka,23.7461,90.3742\n`,
    staff: `centre,username,role\n${centre},person5,vaccinator\n${centre},person6,vaccinator\n`,
    lots: `centre,vaccine,number,expires_on,received\n${centre},${vaccine},IMPORTED,2030-03-31,600\n`,
    sessions: `centre,vaccine,dose,starts_at,ends_at,opens_at,capacity\n${centre},${vaccine},1,2030-01-18 09:00,2030-01-18 12:00,2030-01-04 09:00,120\n`,
  };
  for (const [table, body] of Object.entries(tables)) {
    for (const query of ['?dry_run=true', ''])
      await w.sendRaw('POST', `${API}/imports/${table}${query}`, token, {
        body,
        headers: { 'content-type': 'text/csv' },
      });
  }
}

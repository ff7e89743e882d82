import { randomBytes, randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import yauzl from 'yauzl';
import { PersonalDataRegistryService } from '../../src/personal-data/personal-data-registry.service.js';
import type { Fate } from '../../src/personal-data/personal-data.js';
import type { SignedInUser, TestApp } from './app.js';
import { attach } from './clients/attachments.js';
import { connect, V2 } from './clients/chat-client.js';
import { imageFile, upload } from './files/images.js';
import { projectsWorld } from './projects/projects.js';
import { uploadsWorld } from './projects/uploads.js';
import { vaccinationWorld } from './vaccination/vaccination.js';
import { recordDose } from './vaccination/vaccination-doses.js';

/** Texts about the person that are found nowhere else. */
export const MARKS = {
  fullname: 'Zubaida Quarterman',
  email: 'zubaida.quarterman@example.org',
  pending_email: 'zubaida.new@example.org',
  phone_number: '+4915512345671',
  address: 'Road 27, house Zephyr-9',
  device: 'ZephyrBrowser/9.1',
  passkey: 'zephyr-key',
  identity: 'zephyr-subject-1',
  feed_token: 'zephyr-reader',
  push_service: 'zephyr-push.example.org',
  phone: '+8801712349871',
  dependant: 'Zephyra Quarterman',
  file: 'zephyr-page-1.jpg',
} as const;

/** What the person has written for others, and what must be kept with doses: it stays. */
export const KEPT_MARKS = {
  message: 'zephyr-message',
  report: 'zephyr-report',
  announcement: 'zephyr-announcement',
  legal_name: 'Zubaida Kept-Name',
} as const;

/** A user with data in every table of the registry. */
export async function personWithEverything(t: TestApp) {
  const person: SignedInUser = await t.user('upload_chapters', 'manage_projects');
  const other = await t.user();
  await addAccount(t, person);
  person.token = await t.signIn(person.username, person.password); // a new e-mail address ends all sessions
  await addSignIn(t, person);
  await upload(t, person, await imageFile(77));
  await addChat(t, person, other);
  const vaccination = await addVaccination(t, person);
  const projects = await addProjects(t, person);
  return { ...person, other, ...vaccination, ...projects };
}

async function addAccount({ dataSource, clock }: TestApp, { id }: SignedInUser): Promise<void> {
  const { fullname, email, phone_number, address } = MARKS;
  await dataSource.query(
    `update users set fullname = $2, email = $3, phone_number = $4, address = $5, birthday = '1988-02-29' where id = $1`,
    [id, fullname, email, phone_number, address],
  );
  // Not at once: a new address is not verified, whatever the statement says.
  await dataSource.query('update users set email_verified_at = $2 where id = $1', [id, clock.date()]);
  await dataSource.query(
    `insert into email_verifications (user_id, token_hash, email, expires_at)
      values ($1, $2, $3, now() + interval '1 day') on conflict (user_id) do update set email = $3`,
    [id, randomBytes(32), MARKS.pending_email],
  );
  await dataSource.query('update users set pending_email = $2 where id = $1', [id, MARKS.pending_email]);
}

async function addSignIn({ dataSource, request }: TestApp, { id, username }: SignedInUser): Promise<void> {
  const body = { login: username, password: 'cloudy harbour seven' };
  await request('POST', '/api/sessions', { body, headers: { 'user-agent': `Mozilla/5.0 ${MARKS.device}` } });
  await request('POST', '/api/password-resets', { body: { email: MARKS.email } });
  const rows: [sql: string, ...values: unknown[]][] = [
    [
      `insert into passkeys (id, user_id, name, credential_id, public_key, counter, is_synced, created_at)
        values ($1, $2, $3, $4, 'x', 0, false, now())`,
      randomUUID(),
      id,
      MARKS.passkey,
      randomUUID(),
    ],
    [
      `insert into passkey_challenges (challenge, user_id, expires_at) values ($1, $2, now() + interval '1 hour')`,
      randomUUID(),
      id,
    ],
    [
      `insert into external_identities (id, user_id, issuer, subject, created_at, last_used_at)
        values ($1, $2, 'https://id.example.org', $3, now(), now())`,
      randomUUID(),
      id,
      MARKS.identity,
    ],
    [
      `insert into method_removal_links (user_id, token_hash, created_at, expires_at)
        values ($1, $2, now(), now() + interval '1 day')`,
      id,
      randomBytes(32),
    ],
    [
      `insert into push_subscriptions (id, user_id, session_id, endpoint, p256dh, auth, created_at)
        select gen_random_uuid(), $1, s.id, 'https://' || $2 || '/zephyr', $3, $4, now()
        from sessions s where s.user_id = $1 limit 1`,
      id,
      MARKS.push_service,
      randomBytes(65),
      randomBytes(16),
    ],
    [`insert into two_factor (user_id, secret) values ($1, $2)`, id, randomBytes(40)],
    [
      `insert into two_factor_challenges (challenge_hash, user_id, expires_at) values ($1, $2, now() + interval '1 hour')`,
      randomBytes(32),
      id,
    ],
  ];
  for (const [sql, ...values] of rows) await dataSource.query(sql, values);
}

async function addChat(t: TestApp, person: SignedInUser, other: SignedInUser): Promise<void> {
  const client = await connect(t, person, V2);
  const created = await client.get('create_conversation', { members: [person.username, other.username], name: 'Quay' });
  const conversation_id = created['id'] as number;
  const content = KEPT_MARKS.message;
  const { id: message_id } = await client.get('send_message', { conversation_id, content, nonce: 'z1' });
  for (const [type, fields] of [
    ['edit_message', { content: `${content}, edited` }],
    ['react', { emoji: '🎉' }],
  ] as const) {
    const { success } = await client.askPastPushes(type, { conversation_id, message_id, ...fields });
    if (success !== true) throw new Error(`${type} was refused`);
  }
  const { id: picture } = await attach(t, person, 78);
  await attach(t, person, 79); // is not sent
  const sent = await client.askPastPushes('send_message', { conversation_id, content: '', attachments: [picture] });
  if (sent['success'] !== true) throw new Error('the attachment was refused');
  await client.close();
  const participants = `(select id from participants where user_id = $1), (select id from participants where user_id = $2)`;
  const stranger = await t.user();
  for (const sql of [
    `insert into contacts (participant_id, contact_id, created_at)
      select a, b, now() from (select ${participants}) as p (a, b) union all
      select b, a, now() from (select ${participants}) as p (a, b)`,
    `insert into contact_requests (first_id, second_id, sender_id, created_at)
      select least(a, b), greatest(a, b), a, now() from (select ${participants}) as p (a, b)`,
    `insert into blocks (participant_id, blocked_id, created_at) select a, b, now() from (select ${participants}) as p (a, b)`,
  ]) {
    await t.dataSource.query(sql, [person.id, sql.includes('blocks') ? stranger.id : other.id]);
  }
  await t.dataSource.query(
    `insert into presences (participant_id, node_id)
      select (select id from participants where user_id = $1), (select min(id) from chat_nodes) on conflict do nothing`,
    [person.id],
  );
}

/** A registration with a dose, and one of a dependant without. */
async function addVaccination(t: TestApp, person: SignedInUser) {
  const world = await vaccinationWorld(t);
  const fields = { legal_name: KEPT_MARKS.legal_name, phone: MARKS.phone };
  const dose = await recordDose(t, world, person, fields);
  const dependant = await world.registration({
    owner: person,
    is_dependant: true,
    legal_name: MARKS.dependant,
    phone: MARKS.phone,
  });
  const [session, full] = [await world.session(), await world.session()];
  const booked = randomUUID();
  const centre = await world.centre();
  const path = `/api/vaccination/centres/${centre.id}/staff/${person.id}` as const;
  await t.request('PUT', path, { token: world.manager.token, body: { role: 'registrar' } });
  const rows: [sql: string, ...values: unknown[]][] = [
    [
      `insert into vaccination_appointments (id, registration_id, session_id, disease, dose, status, created_at, updated_at)
        values ($1, $2, $3, '840539006', 1, 'booked', now(), now())`,
      booked,
      dependant.id,
      session.id,
    ],
    [
      `with full_session as (update vaccination_sessions set booked = capacity where id = $1)
        insert into vaccination_waitlist_entries (session_id, registration_id, created_at) values ($1, $2, now())`,
      full.id,
      dependant.id,
    ],
    [
      `insert into vaccination_adverse_events
          (id, dose_id, centre_id, code, severity, is_serious, onset_at, status, recorded_by, created_at)
        select $1, id, centre_id, 'fever', 'mild', false, now(), 'recorded', $3, now()
        from vaccination_doses where id = $2`,
      randomUUID(),
      dose.id,
      person.id,
    ],
    [
      `insert into vaccination_reminders (subject_id, session_id, created_at) values ($1, $2, now())`,
      booked,
      session.id,
    ],
    [
      `insert into vaccination_certificates (id, dose_id, uvci, rid, hcert, shc, hcert_kid, shc_kid, issued_at, expires_at)
        select $1, $2, $3, md5($3), 'HC1:', 'shc:/', 'k', 'k', now(), now() + interval '1 year'
        where not exists (select from vaccination_certificates where dose_id = $2)`,
      randomUUID(),
      dose.id,
      `URN:UVCI:01:BD:${dose.id}`,
    ],
    [
      `insert into vaccination_booking_requests (key, hash, appointment_id, created_at) values ($1, 'x', $2, now())`,
      randomBytes(32),
      booked,
    ],
    [`update vaccination_doses set vaccinator_id = $2 where id = $1`, dose.id, person.id],
    [`update vaccination_registrations set decided_by = $2 where id = $1`, dose.registration_id, person.id],
  ];
  for (const [sql, ...values] of rows) await t.dataSource.query(sql, values);
  return { registrationIds: [dose.registration_id, dependant.id], doseId: dose.id, appointmentId: booked };
}

async function addProjects(t: TestApp, person: SignedInUser) {
  const { id: userId, token } = person;
  const world = await projectsWorld(t);
  const { id: projectId } = await world.project();
  const chapter = await world.chapter(projectId, { by: person });
  const announcement = await world.create(
    '/api/announcements',
    { kind: 'post', title: 'Tide', body: KEPT_MARKS.announcement },
    person,
  );
  const send = async (method: string, path: string, body?: object): Promise<void> => {
    const { status, text } = await t.request(method, path, { token, body });
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  };
  await send('PUT', `/api/projects/${projectId}/follow`);
  await send('PUT', `/api/chapters/${chapter.id}/progress`, { page: 2 });
  await send('POST', '/api/me/feed-tokens', { name: MARKS.feed_token });
  await send('PUT', `/api/announcements/${announcement.id}/read`);
  await send('POST', `/api/projects/${projectId}/reports`, { reason: 'other', text: KEPT_MARKS.report });
  const revised = await t.request('GET', `/api/projects/${projectId}`, { token });
  await send('PATCH', `/api/projects/${projectId}`, { version: revised.body['version'], description: 'Rain' });
  await t.dataSource.query('update reports set decided_by = $1 where reporter_id = $1', [userId]);
  const uploads = uploadsWorld(t, world);
  const opened = await uploads.open(person);
  const page = await imageFile(78);
  const { status } = await uploads.addFiles(opened, [[MARKS.file, page]]);
  if (status !== 200) throw new Error(`POST files: ${status}`);
  return { page };
}

/** The tables of the registry with their columns, as `[table, column, fate]`. */
export const personalColumns = (t: TestApp): [table: string, column: string, fate: Fate][] =>
  t.app
    .get(PersonalDataRegistryService)
    .list()
    .flatMap(({ tables }) =>
      Object.entries(tables).flatMap(([table, { columns }]) =>
        Object.entries(columns).map(([column, fate]): [string, string, Fate] => [table, column, fate]),
      ),
    );

/** The files of an archive by their names. */
export async function unzip(bytes: Buffer): Promise<Map<string, Buffer>> {
  const zip = await promisify<Buffer, yauzl.Options, yauzl.ZipFile>(yauzl.fromBuffer)(bytes, { lazyEntries: false });
  const entries: yauzl.Entry[] = [];
  zip.on('entry', (entry: yauzl.Entry) => entries.push(entry));
  await new Promise<void>((resolve, reject) => zip.once('end', resolve).once('error', reject));
  const open = promisify(zip.openReadStream.bind(zip)) as (entry: yauzl.Entry) => Promise<NodeJS.ReadableStream>;
  const files = new Map<string, Buffer>();
  for (const entry of entries) files.set(entry.fileName, await buffer(await open(entry)));
  return files;
}

// `npm run seed`: fills the database of a running Machi through its API: users, groups, avatars, a conversation, a project and
// a vaccination session. What is there already stays as it is.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { prepare, root } from './prepare.mjs';

await prepare();
const { inDays, isRunning, newClient, newNationalId, PASSWORD, readSettings, refuse, signInAsAdministrator } =
  await import('./development.mjs');
const { paginate } = await import('../clients/typescript/dist/index.js');

const USERS = {
  'hana.sato': 'Hana Sató',
  'ren.ito': 'Ren Ito',
  'mei.kato': 'Mei Kato',
  'tomas.novak': 'Tomáš Novák',
};
const GROUPS = [
  { name: 'Translators', permissions: ['upload_chapters'], early_access_days: 3, members: ['hana.sato'] },
  { name: 'Moderators', permissions: ['moderate_avatars', 'moderate_chat'], members: ['mei.kato'] },
  { name: 'Clinic', permissions: ['manage_vaccines', 'verify_registrations'], members: ['tomas.novak'] },
];
const TALK = [
  ['hana.sato', 'The lanterns are up.'],
  ['ren.ito', 'All of them? Even the ones on the pier?'],
  ['hana.sato', 'All 48. Come and see.'],
  ['mei.kato', 'I bring the boat.'],
  ['ren.ito', 'Give me ten minutes.'],
];

const { url } = readSettings();
if (!(await isRunning(url))) refuse(`No Machi answers at ${url}: start one with "npm start", or set MACHI_URL.`);

const admin = newClient(url);
const adminPassword = await signInAsAdministrator(admin);
const clients = {};
const ids = {};
const made = [];

async function addUsers() {
  for (const [username, fullname] of Object.entries(USERS)) {
    const { items } = await admin.api.listUsers({ query: { q: username } });
    let user = items.find((each) => each.username === username);
    if (!user) {
      user = await admin.api.register({ body: { username, fullname, password: PASSWORD } });
      made.push(`user ${username}`);
    }
    ids[username] = user.id;
    clients[username] = newClient(url);
    await clients[username].signIn(username, PASSWORD);
  }
}

async function addGroups() {
  const existing = [];
  for await (const group of paginate(admin.api.listGroups)) existing.push(group);
  for (const { members, ...body } of GROUPS) {
    let group = existing.find(({ name }) => name === body.name);
    if (!group) {
      group = await admin.api.createGroup({ body });
      made.push(`group ${body.name}`);
    }
    for (const name of members) await admin.api.addGroupMember({ path: { id: group.id, user_id: ids[name] } });
  }
}

/** Hana's avatar is approved, Ren's waits for a moderator. */
async function addAvatars() {
  for (const [username, file] of [
    ['hana.sato', 'harbour.png'],
    ['ren.ito', 'lanterns.png'],
  ]) {
    const { api } = clients[username];
    const { shown, pending } = await api.getMyAvatar();
    if (shown || pending) continue;
    const bytes = readFileSync(join(root, 'examples/pictures', file));
    const avatar = await api.uploadAvatar({ body: { avatar: new Blob([bytes], { type: 'image/png' }) } });
    const isApproved = username === 'hana.sato' && avatar.state === 'pending';
    if (isApproved) await clients['mei.kato'].api.approveAvatar({ path: { id: avatar.id } });
    made.push(`avatar of ${username}, ${isApproved ? 'approved' : avatar.state}`);
  }
}

async function addConversation() {
  const name = 'Lantern night';
  for await (const each of paginate(clients['hana.sato'].api.listConversations)) if (each.name === name) return;
  const chats = Object.fromEntries(Object.keys(USERS).map((each) => [each, clients[each].chat({ WebSocket })]));
  for (const chat of Object.values(chats)) chat.connect();
  const members = Object.keys(USERS);
  const { id } = await chats['hana.sato'].request('create_conversation', { name, members });
  for (const [username, content] of TALK) await chats[username].send(id, content);
  for (const chat of Object.values(chats)) chat.close();
  made.push(`conversation "${name}" with ${TALK.length} messages`);
}

async function addProject() {
  const { items } = await admin.api.listProjects({ query: { q: 'Lantern Keepers' } });
  if (items.some(({ title }) => title === 'Lantern Keepers')) return;
  const project = await admin.api.createProject({
    body: {
      title: 'Lantern Keepers',
      description: 'A town by the sea, and those who light it.',
      original_language: 'ja',
    },
  });
  const path = { id_or_slug: project.slug };
  for (const number of ['1', '2', '2.5'])
    await clients['hana.sato'].api.createChapter({ path, body: { number, language: 'en' } });
  await clients['hana.sato'].api.createChapter({ path, body: { number: '3', language: 'en', release_at: inDays(5) } });
  made.push('project "Lantern Keepers" with 4 chapters, the last one to be released in 5 days');
}

async function addVaccination() {
  const { api } = clients['tomas.novak'];
  for await (const each of paginate(api.listCentres)) if (each.code === 'HARBOUR') return;
  const vaccine = await api.createVaccine({
    body: {
      name: 'Harbour flu vaccine',
      manufacturer: 'Harbour Works',
      code: 'FLU-H',
      disease: '6142004',
      doses: [{ min_interval_days: 0, recommended_interval_days: 0, grace_days: 0 }],
    },
  });
  const centre = await api.createCentre({
    body: {
      name: 'Harbour clinic',
      address: '7 Pier Road',
      district: 'Dhaka',
      code: 'HARBOUR',
      latitude: 23.7461,
      longitude: 90.3742,
    },
  });
  const place = { centre_id: centre.id, vaccine_id: vaccine.id };
  await api.createLot({ body: { ...place, number: 'H-1', expires_on: inDays(300).slice(0, 10), received: 100 } });
  const session = await api.createVaccinationSession({
    body: { ...place, starts_at: inDays(7), ends_at: inDays(7, 4), opens_at: inDays(-1), capacity: 20 },
  });
  await api.openVaccinationSession({ path: { id: session.id } });
  const registration = await clients['ren.ito'].api.createRegistration({
    body: {
      legal_name: 'Ren Ito',
      date_of_birth: '1990-04-01',
      id_type: 'NID',
      id_number: newNationalId(),
      phone: '01712345678',
    },
  });
  await api.verifyRegistration({ path: { id: registration.id } });
  await clients['ren.ito'].api.bookAppointment({
    body: { registration_id: registration.id, session_id: session.id },
  });
  made.push('vaccination session in 7 days at the Harbour clinic, with an appointment of ren.ito');
}

await addUsers();
await addGroups();
await addAvatars();
await addConversation();
await addProject();
await addVaccination();

console.log(
  made.length === 0 ? 'Everything is there already.' : `Made:\n${made.map((each) => `- ${each}`).join('\n')}`,
);
console.log(`
Sign in at ${url}/example or in Swagger UI:
- ${Object.keys(USERS).join(', ')} with the password "${PASSWORD}"
  (mei.kato moderates avatars, tomas.novak manages vaccination, hana.sato translates)
- ${process.env.ADMIN_USERNAME || 'admin'} with the password "${adminPassword}"`);
process.exit(0);

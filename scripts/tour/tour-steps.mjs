import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { MachiClient, MachiProblem } from '../../clients/typescript/dist/index.js';
import { inDays, newClient, newNationalId, PASSWORD, signInAsAdministrator } from '../development.mjs';
import { root } from '../prepare.mjs';
import { answerLines, frameLines, requestLines } from './tour-print.mjs';

const PROBLEM = ['code', 'detail', 'errors'];

/** The tour: each step says what it does, sends real requests and prints them. */
export class Tour {
  /** Appended to names, so that the tour can be walked again. */
  suffix = '';

  constructor(url, print) {
    this.url = url;
    this.print = print;
  }

  async run() {
    this.admin = newClient(this.url);
    await signInAsAdministrator(this.admin);
    this.suffix = await this.findSuffix();
    this.adminApi = this.shown('admin', this.admin.sessions.store);
    await this.showHealth();
    await this.showAccounts();
    await this.showProblems();
    await this.showGroups();
    await this.showProjects();
    await this.showVaccination();
    await this.showAudit();
    await this.showSignOut();
    await this.showAvatars();
    await this.showChat();
  }

  async findSuffix() {
    for (let number = 1; ; number++) {
      const suffix = number === 1 ? '' : String(number);
      const { items } = await this.admin.api.listUsers({ query: { q: `hana.sato${suffix}` } });
      if (!items.some(({ username }) => username === `hana.sato${suffix}`)) return suffix;
    }
  }

  say(text) {
    this.print(`${text}\n`);
  }

  /** A client whose calls are printed. `show(call, names)` prints the named members of the answer only. */
  shown(who, store) {
    const printed = async (target, init) => {
      const response = await fetch(target, init);
      const { pathname, search } = new URL(target);
      const body = typeof init.body === 'string' ? JSON.parse(init.body) : init.body && 'avatar=@harbour.png';
      for (const line of requestLines(who, init.method, decodeURIComponent(pathname + search), body)) this.print(line);
      const text = await response.clone().text();
      const isJson = response.headers.get('content-type')?.includes('json');
      const location = response.headers.get('location') ?? undefined;
      for (const line of answerLines(who, response.status, isJson ? JSON.parse(text) : location, this.names))
        this.print(line);
      this.print('');
      return response;
    };
    return new MachiClient({ baseUrl: this.url, store, fetch: printed });
  }

  async show(names, work) {
    this.names = names;
    return work();
  }

  /** A call that the server refuses. */
  async showProblem(work) {
    await this.show(PROBLEM, work).catch((error) => {
      if (!(error instanceof MachiProblem)) throw error;
    });
  }

  async showHealth() {
    this.say('Machi tells whether it can serve requests.');
    await this.show(['status', 'version'], () => this.shown('anyone').api.getReadiness());
  }

  async showAccounts() {
    this.say('Register a user and sign in. The identity token authenticates requests as `Authorization: Bearer …`.');
    this.hana = this.shown('hana');
    const username = `hana.sato${this.suffix}`;
    const body = { username, email: `${username}@example.org`, password: PASSWORD, fullname: 'Hana Sató' };
    const { id } = await this.show(['id', 'username', 'fullname', 'groups'], () => this.hana.api.register({ body }));
    this.hanaId = id;
    await this.show(['id', 'identity_token', 'refresh_token', 'expires_at'], () =>
      this.hana.signIn(username.toUpperCase(), PASSWORD),
    );
  }

  async showProblems() {
    this.say('Errors are problem documents (RFC 9457) with a stable `code`. Unknown fields are refused, not ignored.');
    await this.showProblem(() => this.hana.api.updateMe({ body: { phone_number: '03-1234-5678', role_id: 1 } }));
    this.say('Each route says which permission it needs.');
    this.groupName = `Translators${this.suffix}`;
    await this.showProblem(() => this.hana.api.createGroup({ body: { name: this.groupName } }));
  }

  async showGroups() {
    this.say(
      'An administrator creates a group and adds the user. The permissions apply from the user’s next request on, with the same token.',
    );
    const body = { name: this.groupName, permissions: ['upload_chapters'], early_access_days: 3 };
    const { id } = await this.show(['id', 'name', 'permissions'], () => this.adminApi.api.createGroup({ body }));
    await this.show([], () => this.adminApi.api.addGroupMember({ path: { id, user_id: this.hanaId } }));
    await this.show(['username', 'groups', 'early_access_days'], () => this.hana.api.getMe());
  }

  async showProjects() {
    this.say('A project gets a chapter, which all may read in two days, and translators now.');
    const title = `Harbour Lights${this.suffix}`;
    const project = await this.show(['slug', 'title', 'status'], () =>
      this.adminApi.api.createProject({ body: { title, original_language: 'ja', status: 'ongoing' } }),
    );
    const path = { id_or_slug: project.slug };
    const body = { number: '1', title: 'The pier', language: 'en', release_at: inDays(2) };
    await this.show(['number', 'title', 'release_at'], () => this.hana.api.createChapter({ path, body }));
    await this.show(['items', 'number', 'next_cursor'], () => this.hana.api.listChapters({ path }));
    await this.show(['items', 'number', 'next_cursor'], () => this.shown('anyone').api.listChapters({ path }));
  }

  async showVaccination() {
    this.say('The administrator prepares a vaccination session.');
    const { api } = this.adminApi;
    const vaccine = await this.show(['id', 'name'], () =>
      api.createVaccine({
        body: {
          name: 'Harbour flu vaccine',
          manufacturer: 'Harbour Works',
          code: `FLU${this.suffix}`,
          disease: '6142004',
          doses: [{ min_interval_days: 0, recommended_interval_days: 0, grace_days: 0 }],
        },
      }),
    );
    const centre = await this.show(['id', 'name', 'time_zone'], () =>
      api.createCentre({
        body: {
          name: 'Harbour clinic',
          address: '7 Pier Road',
          district: 'Dhaka',
          code: `PIER${this.suffix}`,
          latitude: 23.7461,
          longitude: 90.3742,
        },
      }),
    );
    const times = { starts_at: inDays(7), ends_at: inDays(7, 4), opens_at: inDays(-1) };
    const body = { centre_id: centre.id, vaccine_id: vaccine.id, ...times, capacity: 20 };
    const { id } = await this.show(['id', 'status'], () => api.createVaccinationSession({ body }));
    await this.show(['status'], () => api.openVaccinationSession({ path: { id } }));
    await this.showBooking(id);
  }

  async showBooking(session_id) {
    this.say(
      'The user registers, is verified, and books a place. The number of the id is stored encrypted and never shown.',
    );
    const { api } = this.hana;
    const registration = await this.show(['id', 'id_number', 'phone', 'status'], () =>
      api.createRegistration({
        body: {
          legal_name: 'Hana Sato',
          date_of_birth: '1990-04-01',
          id_type: 'NID',
          id_number: newNationalId(),
          phone: '01712345678',
        },
      }),
    );
    await this.show(['status'], () => this.adminApi.api.verifyRegistration({ path: { id: registration.id } }));
    const body = { registration_id: registration.id, session_id };
    await this.show(['id', 'dose', 'status', 'starts_at'], () => api.bookAppointment({ body }));
    await this.showProblem(() => api.bookAppointment({ body }));
  }

  async showAudit() {
    this.say('Security-relevant actions are in the audit log.');
    const query = { limit: 1, action: 'group.member_added' };
    await this.show(['items', 'at', 'action', 'actor_id', 'subject_id'], () =>
      this.adminApi.api.listAuditEvents({ query }),
    );
  }

  async showSignOut() {
    this.say('Signing out ends a session at once.');
    const other = this.shown('hana');
    await this.show(['id', 'identity_token'], () => other.signIn(`hana.sato${this.suffix}`, PASSWORD));
    const { current } = other.sessions;
    await this.show([], () => other.signOut());
    other.sessions.store.set(current);
    await this.showProblem(() => other.api.getMe());
  }

  async showAvatars() {
    this.say('The user uploads an avatar, as `multipart/form-data`. A moderator approves it, and everyone sees it.');
    const bytes = readFileSync(join(root, 'examples/pictures/harbour.png'));
    const body = { avatar: new Blob([bytes], { type: 'image/png' }) };
    const { id } = await this.show(['id', 'state', 'is_shown'], () => this.hana.api.uploadAvatar({ body }));
    await this.show(['id', 'state', 'is_shown'], () => this.adminApi.api.approveAvatar({ path: { id } }));
    await this.show(['avatar_url', 'shown', 'state'], () => this.hana.api.getMyAvatar());
  }

  async showChat() {
    this.say(
      'Two users talk over WebSocket (`ws://…/api/ws`, subprotocol `machi.v2`). An answer means that PostgreSQL has stored the message on disk.',
    );
    const username = `ren.ito${this.suffix}`;
    const ren = newClient(this.url);
    await ren.api.register({ body: { username, password: PASSWORD, fullname: 'Ren Ito' } });
    await ren.signIn(username, PASSWORD);
    const frames = { hana: [], ren: [] };
    const [hanaChat, renChat] = [this.openChat(this.hana, frames.hana), this.openChat(ren, frames.ren)];
    await Promise.all([hanaChat.request('ping', {}), renChat.request('ping', {})]);
    const members = [username];
    const { id } = await this.showFrames(frames, 'create_conversation', renChat, () =>
      hanaChat.request('create_conversation', { members, name: 'Harbour festival' }),
    );
    await this.showFrames(frames, 'send_message', renChat, () => hanaChat.send(id, 'The lanterns are up.'));
    await this.showFrames(frames, 'send_message', hanaChat, () => renChat.send(id, 'On my way!'));
    for (const chat of [hanaChat, renChat]) chat.close();
  }

  /** Prints what the two users send and receive until `receiver` has a frame of this type. */
  async showFrames(frames, type, receiver, work) {
    const received = new Promise((resolve) => receiver.on(type, resolve));
    const result = await work();
    await received;
    const senderFirst = Object.entries(frames).toSorted(([, [first]]) => (first[0] === '→' ? -1 : 1));
    for (const [who, list] of senderFirst) {
      for (const [direction, frame] of list.splice(0)) {
        for (const line of frameLines(who, direction, frame)) this.print(line);
      }
    }
    this.print('');
    return result;
  }

  /** A chat that records its frames, except those of the connection itself. */
  openChat(machi, frames) {
    const record = (direction, text) => {
      const { request_id: _, nonce: __, ...frame } = JSON.parse(text);
      if (!['ping', 'auth', 'hello'].includes(frame.type)) frames.push([direction, frame]);
    };
    class RecordingWebSocket extends WebSocket {
      constructor(...args) {
        super(...args);
        this.on('message', (data) => record('←', String(data)));
      }
      send(text) {
        record('→', text);
        super.send(text);
      }
    }
    const chat = machi.chat({ WebSocket: RecordingWebSocket });
    chat.connect();
    return chat;
  }
}

import { randomBytes } from 'node:crypto';
import { PERMISSION_NAMES } from '../../src/permissions/permissions.js';
import { codeAt } from '../support/clients/totp.js';
import type { Role } from './api-document.js';
import type { Mailbox } from './mailbox.js';
import type { SecretWatch } from './secret-watch.js';
import { makePublishingRecords } from './publishing-records.js';
import { makeVaccinationRecords } from './vaccination-records.js';

export const ROLES: Role[] = ['anonymous', 'user', ...PERMISSION_NAMES];

interface Person {
  id: string;
  username: string;
  email: string;
  password: string;
  token: string;
  refresh_token: string;
  /** The secret of two-factor authentication, after the person has asked for one. */
  secret?: string;
  /** The upload of the person and one of its files: other users do not find them. */
  upload?: string;
  upload_file?: string;
}

/** Kinds of ids and tokens that responses contain, each with the newest values. */
type Pool = Map<string, string[]>;

const POOL_SIZE = 10;
const UPLOADERS: Role[] = ['upload_chapters', 'admin'];
const BATCHES_PER_START = 10;
const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

/** The users of the run and what the server has told them, from which requests are made. */
export class World {
  private readonly people = new Map<Role, Person>();
  private readonly renewals = new Map<Role, Promise<void>>();
  private readonly pool: Pool = new Map();
  private counter = 0;
  private batches = 0;
  private root: Person;
  /** The token of a user who is in no conversation and whom no request names. */
  bystanderToken: string;
  /** Values of a user who takes no part; only administrators may see them. */
  readonly privateValues: string[] = [];

  constructor(
    private readonly url: string,
    private readonly adminPassword: string,
    private readonly secrets: SecretWatch,
    private readonly mailbox: Mailbox,
    /** A valid image file. */
    private readonly image: Buffer,
  ) {}

  async prepare(): Promise<void> {
    this.root = await this.signIn({ username: 'admin', password: this.adminPassword, email: '', id: '' });
    const bystander = await this.register();
    this.privateValues.push(bystander.email);
    this.bystanderToken = bystander.token;
    for (const role of ROLES) if (role !== 'anonymous') await this.renew(role);
    for (let i = 0; i < 3; i++) {
      const { id, username } = await this.register();
      this.keep('user', id);
      this.keep('username', username);
    }
    await this.prepareVaccination();
    await this.preparePublishing();
  }

  private async preparePublishing(): Promise<void> {
    const as =
      (role: Role) =>
      (method: string, path: string, body?: object): Promise<Record<string, unknown>> =>
        this.call(method, path, body, this.tokenOf(role));
    const records = await makePublishingRecords(as('manage_projects'), as('upload_chapters'), this.image);
    this.harvest('POST /api/projects', 'manage_projects', records.project);
    for (const chapter of records.chapters) this.harvest('GET /api/chapters/:id', 'upload_chapters', chapter);
    this.harvest('GET /api/uploads/:id', 'upload_chapters', records.upload);
  }

  private async prepareVaccination(): Promise<void> {
    const send = (method: string, path: string, token: string, body?: object) => this.call(method, path, body, token);
    const records = await makeVaccinationRecords(send, this.root, this.people.get('user')!, [...this.people.values()]);
    for (const [kind, id] of Object.entries(records)) this.keep(kind, id);
  }

  /** Replaces the user of a role, when its session, its account or its permissions were lost. */
  renew(role: Role): Promise<void> {
    const renewal = this.renewals.get(role) ?? this.replace(role).finally(() => this.renewals.delete(role));
    this.renewals.set(role, renewal);
    return renewal;
  }

  /** Renews a role whose token is not accepted any more. Returns whether that was so. */
  async renewIfLost(role: Role): Promise<boolean> {
    const headers = { authorization: `Bearer ${this.tokenOf(role)}` };
    const { status } = await fetch(`${this.url}/api/users/me`, { headers });
    if (status === 401) await this.renew(role);
    return status === 401;
  }

  /** Starts an upload for each role that may, unless it has one: random requests end them more often than they start one. */
  async startUploads(): Promise<void> {
    if (++this.batches % BATCHES_PER_START !== 0) return;
    for (const role of UPLOADERS) {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${this.tokenOf(role)}` };
      const body = JSON.stringify({ project_id: this.value('project', role) });
      const answer = await fetch(`${this.url}/api/uploads`, { method: 'POST', headers, body });
      const upload = (await answer.json()) as Record<string, unknown>;
      if (answer.status === 201) this.harvest('POST /api/uploads', role, upload);
    }
  }

  tokenOf(role: Role): string | undefined {
    return this.people.get(role)?.token;
  }

  usernameOf(role: Role): string {
    return this.people.get(role)?.username ?? 'none';
  }

  /** Replaces `{{name}}` by a value of the run. Names that have no value yet stay texts. */
  resolve(text: string, role: Role): string {
    return text.replaceAll(/\{\{([a-z_.]+)\}\}/g, (_, name: string) => this.value(name, role) ?? name);
  }

  /** Keeps the ids, tokens and codes of a response for later requests. */
  harvest(operation: string, role: Role, body: Record<string, unknown>): void {
    for (const name of ['identity_token', 'refresh_token', 'access_token', 'challenge', 'reset_token', 'secret']) {
      const value = body[name];
      if (typeof value === 'string') this.keep(name, this.secrets.add(value));
    }
    for (const code of (body['recovery_codes'] as string[] | undefined) ?? []) {
      this.keep('recovery_code', this.secrets.add(code));
    }
    const person = this.people.get(role);
    if (person && typeof body['secret'] === 'string') person.secret = body['secret'];
    if (operation.includes('/uploads')) this.harvestUpload(role, body);
    for (const { id } of listOf(body, 'pages')) this.keep('page', id);
    const items = (Array.isArray(body) ? body : (body['items'] as unknown[] | undefined)) ?? [body];
    const kind = kindOf(operation);
    for (const item of items.slice(0, 3)) {
      const id = (item as { id?: unknown } | null)?.id;
      if (kind && typeof id === 'string') this.keep(kind, id);
      if (kind === 'feed_token' && typeof body['token'] === 'string')
        this.keep('feed_token_secret', this.secrets.add(body['token']));
      if (kind === 'project') this.harvestProject(item as Record<string, unknown>);
    }
  }

  private harvestProject({ slug, cover }: Record<string, unknown>): void {
    if (typeof slug === 'string') this.keep('slug', slug);
    const coverId = /covers\/([\w-]+)\//.exec(JSON.stringify(cover ?? ''))?.[1];
    if (coverId !== undefined) this.keep('cover', coverId);
  }

  private harvestUpload(role: Role, body: Record<string, unknown>): void {
    const person = this.people.get(role);
    if (!person || typeof body['id'] !== 'string' || !Array.isArray(body['files'])) return;
    person.upload = body['id'];
    const file = listOf(body, 'files').at(-1);
    if (file) person.upload_file = file.id;
  }

  private value(name: string, role: Role): string | undefined {
    const person = this.people.get(role);
    const [scope, field] = name.split('.') as [string, string | undefined];
    if (scope === 'own') return person ? (person[field as keyof Person] ?? UNKNOWN_ID) : 'none';
    if (scope === 'fresh') return this.fresh(field!);
    if (scope === 'totp') return person?.secret ? this.secrets.add(codeAt(person.secret, Date.now())) : '123456';
    if (scope === 'mail') return this.mailbox.newest(field as 'code' | 'address' | 'link');
    if (scope === 'unknown') return UNKNOWN_ID;
    const values = this.pool.get(scope) ?? [];
    return values[++this.counter % Math.max(1, values.length)] ?? UNKNOWN_ID;
  }

  private fresh(field: string): string {
    const number = ++this.counter;
    if (field === 'number') return String(number);
    if (field === 'email') return `fuzz${number}@example.org`;
    return field === 'password' ? this.secrets.add(`pw-${randomBytes(9).toString('hex')}`) : `fuzz${number}`;
  }

  private keep(kind: string, value: string): void {
    this.pool.set(kind, [...(this.pool.get(kind) ?? []).slice(1 - POOL_SIZE), value]);
  }

  private async replace(role: Role): Promise<void> {
    const person = await this.register();
    if (role !== 'user') {
      const body = { name: `role ${role} ${person.username}`, permissions: [role] };
      const { id } = await this.asRoot('POST', '/api/groups', body);
      await this.asRoot('PUT', `/api/groups/${String(id)}/members/${person.id}`);
    }
    this.people.set(role, person);
  }

  private async register(): Promise<Person> {
    const [username, password] = [`role${++this.counter}`, this.fresh('password')];
    const email = `${username}.${randomBytes(4).toString('hex')}@example.org`;
    const { id } = await this.call('POST', '/api/users', { username, password, email, fullname: 'Role' });
    return this.signIn({ id: String(id), username, password, email });
  }

  private async signIn(person: Omit<Person, 'token' | 'refresh_token'>): Promise<Person> {
    const { username: login, password } = person;
    const { identity_token, refresh_token } = await this.call('POST', '/api/sessions', { login, password });
    for (const secret of [password, identity_token, refresh_token]) this.secrets.add(String(secret));
    return { ...person, token: String(identity_token), refresh_token: String(refresh_token) };
  }

  private async asRoot(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    return this.call(method, path, body, this.root.token);
  }

  private async call(method: string, path: string, body?: object, token?: string): Promise<Record<string, unknown>> {
    const isRaw = body instanceof FormData || body instanceof Blob;
    const headers = {
      ...(body && !isRaw ? { 'content-type': 'application/json' } : {}),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    };
    const sent = isRaw ? body : JSON.stringify(body);
    const response = await fetch(this.url + path, { method, headers, ...(body ? { body: sent } : {}) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answers ${response.status} ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  }
}

const listOf = (body: Record<string, unknown>, name: string): { id: string }[] =>
  Array.isArray(body[name]) ? (body[name] as { id: string }[]) : [];

const KINDS: [RegExp, string][] = [
  [/(projects|chapters)\/:\w+\/reports$|moderation\/reports/, 'report'],
  [/feed-tokens/, 'feed_token'],
  [/vaccination\/vaccines/, 'vaccine'],
  [/vaccination\/centres(\/:id)?$/, 'centre'],
  [/vaccination\/lots/, 'lot'],
  [/vaccination\/registrations/, 'registration'],
  [/vaccination\/(appointments|sessions\/:id\/walk-ins)/, 'appointment'],
  [/vaccination\/sessions/, 'vaccination_session'],
  [/vaccination\/doses/, 'dose'],
  [/vaccination\/adverse-events/, 'adverse_event'],
  [/vaccination\/recalls$/, 'recall'],
  [/vaccination\/certificates/, 'certificate'],
  [/^(GET|POST) \/api\/sessions/, 'session'],
  [/sessions/, 'session'],
  [/passkeys/, 'passkey'],
  [/identities/, 'identity'],
  [/avatar/, 'avatar'],
  [/^POST \/api\/(users|create|register)$/, 'user'],
  [/^POST \/api\/groups$/, 'group'],
  [/^(GET|POST) \/api\/projects$|^(GET|PATCH) \/api\/projects\/:id_or_slug$|\/cover$/, 'project'],
  [/\/chapters(\/latest|\/:id)?$/, 'chapter'],
  [/release-groups/, 'release_group'],
  [/^(GET|POST) \/api\/announcements$/, 'announcement'],
  [/uploads/, 'upload'],
];

const kindOf = (operation: string): string | undefined => KINDS.find(([pattern]) => pattern.test(operation))?.[1];

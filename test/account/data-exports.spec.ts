import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataExportFilesWorker } from '../../src/account/exports/data-export-files.worker.js';
import { MailsService } from '../../src/mail/mails.service.js';
import { PersonalDataRegistryService } from '../../src/personal-data/personal-data-registry.service.js';
import { PASSWORD, type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { call } from '../support/files/images.js';
import { person as newPerson } from '../support/vaccination/vaccination.js';
import { KEPT_MARKS, MARKS, personalColumns, personWithEverything, unzip } from '../support/personal-data.js';

const PATH = '/api/users/me/exports';
const CURRENT = `${PATH}/current` as const;
const FILE = `${CURRENT}/file` as const;
const MINUTE_MS = 60_000;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { IDENTITY_TOKEN_TTL: '30d', RATE_LIMITS: 'on' } });
});
afterAll(() => t.stop());

const create = ({ token }: Pick<SignedInUser, 'token'>, body: object = { current_password: PASSWORD }) =>
  t.request('POST', PATH, { token, body });

/** Reads the export until it has ended. */
async function settled({ token }: Pick<SignedInUser, 'token'>) {
  for (;;) {
    const { status, body } = await t.request('GET', CURRENT, { token });
    if (status !== 200) throw new Error(`GET ${CURRENT}: ${status} ${body.code}`);
    if (body.state !== 'pending') return body;
    await sleep(20);
  }
}

const storedFiles = (): string[] => {
  try {
    return readdirSync(join(t.config.STORAGE_DIR, 'exports'));
  } catch {
    return [];
  }
};

describe('the copy of the data about a user', () => {
  let person: Awaited<ReturnType<typeof personWithEverything>>;
  let files: Map<string, Buffer>;
  beforeAll(async () => {
    person = await personWithEverything(t);
    const { status, headers, body } = await create(person);
    expect([status, headers.get('location')]).toEqual([202, CURRENT]);
    expect(body).toMatchObject({ state: 'pending', size: null, problem: null });
    const ended = await settled(person);
    expect(ended).toMatchObject({ state: 'ready', done: body.total, total: body.total });
    const file = await call(t, 'GET', FILE, person.token);
    expect([file.status, file.bytes.length]).toEqual([200, ended.size]);
    expect(file.headers.get('content-type')).toBe('application/zip');
    expect(file.headers.get('cache-control')).toBe('private, no-store');
    expect(file.headers.get('content-disposition')).toMatch(/^attachment; filename="machi-\d{4}-\d\d-\d\d\.zip"$/);
    files = await unzip(file.bytes);
  });

  const textOf = (name: string): string => files.get(name)?.toString() ?? '';
  const jsonOf = (name: string) => JSON.parse(textOf(name)) as Record<string, unknown>[];

  it('is made of a user who has a row in each table of the registry, so that no table is left out of these tests', async () => {
    const ids = await idsOf(t, person);
    const exceptions = [
      'rate_limit_counters',
      'rejected_images',
      'vaccination_notices',
      'mails',
      'vaccination_booking_requests',
    ];
    const missing = [];
    for (const table of new Set(personalColumns(t).map(([name]) => name))) {
      if (exceptions.includes(table)) continue;
      const columns = personalColumns(t).filter(([name]) => name === table);
      const where = columns.map(([, column]) => `${column}::text = any ($1)`).join(' or ');
      const [{ count }] = await t.dataSource.query<[{ count: number }]>(
        `select count(*)::integer as count from ${table} where ${where}`,
        [ids],
      );
      if (count === 0) missing.push(table);
    }
    expect(missing).toEqual([]);
  });

  it('has every file that the registry names, as valid JSON that is not empty, and names it in README.txt', () => {
    const sources = t.app.get(PersonalDataRegistryService).list();
    const names = sources.flatMap(({ module, tables }) =>
      Object.values(tables).flatMap(({ file }) => (file === null ? [] : `${module}/${file}`)),
    );
    for (const name of new Set(names)) {
      const found = [...files.keys()].filter((key) => key === name || key.startsWith(name.replace('<id>.json', '')));
      expect([name, found.length > 0]).toEqual([name, true]);
      expect([name, Object.keys(jsonOf(found[0]!)).length > 0]).toEqual([name, true]);
      expect(textOf('README.txt')).toContain(name.split('/').slice(1).join('/'));
    }
    expect(textOf('README.txt')).toContain('Not in this archive');
  });

  it('contains what the user has entered and written, and the files', () => {
    const text = [...files.values()].join('\n');
    for (const mark of [...Object.values(MARKS), ...Object.values(KEPT_MARKS)]) expect(text).toContain(mark);
    expect(jsonOf('chat/conversations.json')).toMatchObject([
      { name: 'Quay', members: [person.username, person.other.username] },
    ]);
    const [file] = jsonOf('projects/upload-files.json');
    expect(files.get(`projects/uploads/${String(file!['id'])}.jpg`)?.equals(person.page)).toBe(true);
    const avatars = [...files].filter(([name]) => name.endsWith('.webp'));
    expect(avatars).toHaveLength(1);
    expect(avatars[0]![1].subarray(8, 12).toString()).toBe('WEBP');
    expect(jsonOf('audit/events.json').map(({ action }) => action)).toContain('session.opened');
  });

  it('contains no hash, secret, token or code, and no address of another user', async () => {
    const text = [...files]
      .filter(([name]) => /json|txt/.test(name))
      .map(([, bytes]) => bytes.toString())
      .join('\n');
    const [user] = await t.dataSource.query('select password_hash from users where id = $1', [person.id]);
    expect(text).not.toContain(user.password_hash);
    expect(text).not.toMatch(/"(password_hash|token_hash|code_hash|public_key|encrypted_\w+|secret|token_id)"/);
    expect(text).not.toContain(person.token);
    expect(text).not.toContain(`${person.other.username}@example.org`);
  });

  it('is told by mail to a verified address, and audited when it is requested and downloaded', async () => {
    const mails = await t.dataSource.query(`select from mails where kind = 'data_export_requested'`);
    expect(mails).toHaveLength(1);
    const { body } = await t.request('GET', `/api/audit?subject_id=${person.id}&limit=50`, {
      token: await t.asAdmin(),
    });
    const actions = body['items'].map(({ action }: { action: string }) => action);
    expect(actions).toContain('data_export.requested');
    expect(actions).toContain('data_export.downloaded');
  });

  it('is sent in ranges, so that a broken download goes on', async () => {
    const whole = await call(t, 'GET', FILE, person.token);
    const part = await call(t, 'GET', FILE, person.token, { headers: { range: 'bytes=100-' } });
    expect([part.status, part.bytes.equals(whole.bytes.subarray(100))]).toEqual([206, true]);
  });

  it('is audited when it is downloaded without its first byte, too', async () => {
    const count = async () => {
      const sql = `select from audit_events where action = 'data_export.downloaded' and subject_id = $1`;
      return (await t.dataSource.query<unknown[]>(sql, [person.id])).length;
    };
    const before = await count();
    const part = await call(t, 'GET', FILE, person.token, { headers: { range: 'bytes=1-' } });
    expect([part.status, await count()]).toEqual([206, before + 1]);
    await call(t, 'HEAD', FILE, person.token);
    expect(await count()).toBe(before + 1);
  });
});

/** All ids under which the person is in tables. */
async function idsOf(
  { dataSource }: TestApp,
  { id, registrationIds, doseId, appointmentId }: Awaited<ReturnType<typeof personWithEverything>>,
): Promise<string[]> {
  const rows = await dataSource.query<{ id: string }[]>(
    `select id::text from participants where user_id = $1 union all select id::text from uploads where user_id = $1`,
    [id],
  );
  return [id, ...registrationIds, doseId, appointmentId, ...rows.map((row) => row.id)];
}

describe('POST /api/users/me/exports', () => {
  it('needs the current password; a user without one needs a recent sign-in', async () => {
    const user = await t.user();
    expect((await create(user, {})).body.code).toBe('validation_failed');
    expect((await create(user, { current_password: 'wrong' })).body.code).toBe('wrong_password');
    expect((await t.request('GET', CURRENT, { token: user.token })).body.code).toBe('data_export_not_found');
    await t.dataSource.query('update users set password_hash = null where id = $1', [user.id]);
    t.clock.advance(11 * MINUTE_MS);
    expect((await create(user, {})).body.code).toBe('sign_in_again');
  });

  it('creates one export of 20 requests at once, and replaces a finished one', async () => {
    const user = await t.user();
    await t.warmUp();
    const answers = await Promise.all(Array.from({ length: 20 }, () => create(user)));
    const ids = new Set(answers.filter(({ status }) => status === 202).map(({ body }) => body.id));
    expect(ids.size).toBe(1);
    expect(answers.filter(({ status }) => ![202, 429].includes(status))).toEqual([]);
    await settled(user);
    const rows = () =>
      t.dataSource.query<{ id: string }[]>('select id from data_exports where user_id = $1', [user.id]);
    expect(await rows()).toHaveLength(1);
  });

  it('counts one of five requests at once, which make one export', async () => {
    const user = await t.user();
    const answers = await Promise.all(Array.from({ length: 5 }, () => create(user)));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    await settled(user);
    expect((await create(user)).headers.get('ratelimit')).toMatch(/^"data-exports";r=3;/);
  });

  it('answers 429 after five exports in a day', async () => {
    const user = await t.user();
    for (let i = 0; i < 5; i++) {
      expect((await create(user)).status).toBe(202);
      await settled(user);
    }
    const { status, body } = await create(user);
    expect([status, body.code]).toEqual([429, 'rate_limited']);
    expect((await t.request('GET', CURRENT, { token: user.token })).body.state).toBe('ready');
  });
});

describe('the outbox of addresses that a user has entered and not proved', () => {
  const PHONE = '+4915500000017';

  it('is not in the copy of their data, and not discarded with their account', async () => {
    const [owner, curious] = [await t.verifiedUser(), await t.user()];
    const email = `${owner.username}@example.org`;
    await t.request('POST', '/api/password-resets', { body: { email } });
    const message = { channel: 'sms', kind: 'vaccination_booked', to: PHONE, subject: '', text: 'x' } as const;
    const expiresAt = new Date(t.clock.now() + 86_400_000);
    await t.dataSource.transaction((manager) =>
      t.app.get(MailsService, { strict: false }).enqueueWritten(manager, [{ ...message, expiresAt }]),
    );
    const queued = async (): Promise<string[]> => {
      const sql = `select kind from mails where state = 'queued' and kind in ('reset_code', 'vaccination_booked') order by kind`;
      return (await t.dataSource.query<{ kind: string }[]>(sql)).map(({ kind }) => kind);
    };
    // They wait for their servers.
    const wait = `update mails set state = 'queued', encrypted_content = '\\x00', settled_at = null, due_at = $1
      where kind in ('reset_code', 'vaccination_booked')`;
    await expect.poll(queued).toEqual([]);
    await t.dataSource.query(wait, [expiresAt]);
    const before = await queued();
    expect(before).toContain('reset_code');

    const changes = { email, phone_number: PHONE, current_password: PASSWORD };
    expect((await t.request('PATCH', '/api/users/me', { token: curious.token, body: changes })).status).toBe(200);
    expect((await create(curious)).status).toBe(202);
    await settled(curious);
    const files = await unzip((await call(t, 'GET', FILE, curious.token)).bytes);
    expect(JSON.parse(files.get('mail/outbox.json')!.toString())).toEqual([]);
    const body = { password: PASSWORD };
    expect((await t.request('DELETE', '/api/users/me', { token: curious.token, body })).status).toBe(204);
    expect(await queued()).toEqual(before);
  });

  it('of a phone number that another user has registered for vaccination, too, is in nobody’s copy', async () => {
    const [owner, curious] = [await t.user(), await t.user()];
    const phone = '+8801712349899';
    const messages = async (user: SignedInUser): Promise<object[]> => {
      await create(user);
      await settled(user);
      const files = await unzip((await call(t, 'GET', FILE, user.token)).bytes);
      return JSON.parse(files.get('vaccination/messages.json')!.toString()) as object[];
    };
    const register = async ({ token }: SignedInUser) => {
      const body = newPerson({ phone });
      expect((await t.request('POST', '/api/vaccination/registrations', { token, body })).status).toBe(201);
    };
    await register(owner);
    const message = { channel: 'sms', kind: 'vaccination_booked', to: phone, subject: '', text: 'x' } as const;
    const expiresAt = new Date(t.clock.now() + 86_400_000);
    await t.dataSource.transaction((manager) =>
      t.app.get(MailsService, { strict: false }).enqueueWritten(manager, [{ ...message, expiresAt }]),
    );
    expect(await messages(owner)).toHaveLength(1);
    await register(curious);
    expect(await messages(curious)).toEqual([]);
    const body = { password: PASSWORD };
    expect((await t.request('DELETE', '/api/users/me', { token: curious.token, body })).status).toBe(204);
    expect(await messages(owner)).toHaveLength(1);
  });
});

describe('GET /api/users/me/export', () => {
  it('requests the export after a recent sign-in, tells the progress, and redirects to the file', async () => {
    const user = await t.user();
    const first = await t.request('GET', '/api/users/me/export', { token: user.token });
    expect([first.status, first.headers.get('location'), first.headers.get('retry-after')]).toEqual([
      202,
      CURRENT,
      '2',
    ]);
    await settled(user);
    const second = await t.request('GET', '/api/users/me/export', { token: user.token });
    expect([second.status, second.headers.get('location')]).toEqual([303, FILE]);
    const file = await call(t, 'GET', FILE, user.token);
    expect(JSON.parse((await unzip(file.bytes)).get('users/account.json')!.toString())).toMatchObject({ id: user.id });
  });

  it('answers 404 to HEAD and 403 foreign_origin to pages of other sites, which send the cookie, and requests nothing', async () => {
    const user = await t.user();
    const cookie = `login-token=${user.token}`;
    const head = await t.request('HEAD', '/api/users/me/export', { headers: { cookie } });
    expect(head.status).toBe(404);
    for (const [name, value] of [
      ['origin', 'https://evil.example'],
      ['sec-fetch-site', 'cross-site'],
    ] as const) {
      const { status, body } = await t.request('GET', '/api/users/me/export', { headers: { cookie, [name]: value } });
      expect([status, body.code]).toEqual([403, 'foreign_origin']);
    }
    expect((await t.request('GET', CURRENT, { token: user.token })).body.code).toBe('data_export_not_found');
    const own = { cookie, 'sec-fetch-site': 'same-origin' };
    expect((await t.request('GET', '/api/users/me/export', { headers: own })).status).toBe(202);
    await settled(user);
  });

  it('answers 403 sign_in_again to an older session, which POST with the password serves', async () => {
    const user = await t.user();
    t.clock.advance(11 * MINUTE_MS);
    const refused = await t.request('GET', '/api/users/me/export', { token: user.token });
    expect([refused.status, refused.body.code]).toEqual([403, 'sign_in_again']);
    expect((await create(user)).status).toBe(202);
    await settled(user);
    expect((await t.request('GET', '/api/users/me/export', { token: user.token })).status).toBe(303);
  });
});

describe('the file of an export', () => {
  it('is sent to the session that requested it, and to others after a recent sign-in only', async () => {
    const user = await t.user();
    const older = await t.signIn(user.username, PASSWORD);
    t.clock.advance(11 * MINUTE_MS);
    await create(user);
    await settled(user);
    expect((await call(t, 'GET', FILE, older)).body['code']).toBe('sign_in_again');
    expect((await call(t, 'GET', FILE, await t.signIn(user.username, PASSWORD))).status).toBe(200);
    expect((await call(t, 'GET', FILE, (await t.user()).token)).body['code']).toBe('data_export_not_found');
  });

  it('is deleted when the user deletes it, a newer one replaces it, a day passes, or the account is deleted', async () => {
    const worker = t.app.get(DataExportFilesWorker);
    await worker.deleteRemovedFiles();
    const before = storedFiles().length;
    const [removing, replacing, waiting, leaving] = [await t.user(), await t.user(), await t.user(), await t.user()];
    for (const user of [removing, replacing, waiting, leaving]) {
      await create(user);
      await settled(user);
    }
    expect(storedFiles()).toHaveLength(before + 4);
    expect((await t.request('DELETE', CURRENT, { token: removing.token })).status).toBe(204);
    expect((await t.request('DELETE', CURRENT, { token: removing.token })).body.code).toBe('data_export_not_found');
    await create(replacing);
    await settled(replacing);
    await t.request('DELETE', '/api/users/me', { token: leaving.token, body: { password: PASSWORD } });
    await worker.deleteRemovedFiles();
    await expect.poll(() => storedFiles().length).toBe(before + 2);
    t.clock.advance(24 * 60 * MINUTE_MS);
    expect((await call(t, 'GET', FILE, waiting.token)).body['code']).toBe('data_export_not_found');
    await worker.deleteRemovedFiles();
    await expect.poll(storedFiles).toEqual([]);
    expect(await t.dataSource.query('select from data_exports')).toEqual([]);
    expect((await create(waiting)).status).toBe(202);
  });

  it('is not left behind by a user who leaves while it is being written', async () => {
    const user = await t.user();
    await create(user);
    await t.request('DELETE', '/api/users/me', { token: user.token, body: { password: PASSWORD } });
    await expect
      .poll(async () => {
        await t.app.get(DataExportFilesWorker).deleteRemovedFiles();
        return t.dataSource.query('select from data_exports where user_id is null');
      })
      .toEqual([]);
  });
});

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import PostalMime from 'postal-mime';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Mail } from '../../src/mail/mail.entity.js';
import { MailsService } from '../../src/mail/mails.service.js';
import { newKeys, startApp, type TestApp } from '../support/app.js';
import { sent, type Smtp, startSmtp } from '../support/servers/smtp-server.js';

let t: TestApp;
let smtp: Smtp;
beforeAll(async () => {
  smtp = await startSmtp();
  const env = { SMTP_URL: smtp.url, MAIL_FROM: 'machi@example.org', APP_NAME: 'Machi "of", Chiyoda' };
  t = await startApp({ env });
});
beforeEach(async () => {
  t.clock.set(Math.ceil(t.clock.now() / 1000) * 1000 + 3_600_000); // no address has received a mail within the hour
  await sent(t);
});
afterEach(() => {
  smtp.refuse(undefined);
  smtp.mails.length = 0;
});
afterAll(async () => {
  await t.stop();
  await smtp.stop();
});

const HANA = 'hana@example.org';
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

const enqueueCode = (to: string | null, code = '12345678') =>
  t.dataSource.transaction((manager) =>
    t.app.get(MailsService).enqueue(manager, { kind: 'reset_code', to, values: { code } }),
  );
const enqueueNotification = (to: string) =>
  t.dataSource.transaction((manager) => {
    const mails = t.app.get(MailsService);
    return mails.enqueue(manager, { kind: 'password_changed', to, values: mails.securityContext() });
  });
const rows = () => t.dataSource.query<Mail[]>('select * from mails order by id desc');
const newest = async () => (await rows())[0]!;

describe('an enqueued mail', () => {
  it('is sent as soon as its transaction has committed', async () => {
    await enqueueCode(HANA);
    await expect.poll(() => smtp.mails).toHaveLength(1);
    expect(smtp.mails[0]).toMatchObject({ to: [HANA], subject: 'Your code for a new Machi "of", Chiyoda password' });
    expect(smtp.mails[0]!.text).toContain('    12345678\n');
    const { id } = await newest();
    const { raw } = smtp.mails[0]!;
    expect(raw).toMatch(/^From: .*<machi@example\.org>\r$/m);
    expect(raw).toContain(`Message-ID: <${id}@example.org>\r\n`);
    expect(raw).toContain('Auto-Submitted: auto-generated\r\n');
  });

  it('is encrypted until it is sent, then erased, and its row is deleted after a week', async () => {
    smtp.refuse('connect', 421);
    await enqueueCode(HANA);
    await sent(t);
    const queued = await newest();
    expect(queued).toMatchObject({ state: 'queued', attempts: 1, settled_at: null });
    for (const secret of ['12345678', HANA, 'password']) expect(queued.encrypted_content!.includes(secret)).toBe(false);
    smtp.refuse(undefined);
    t.clock.advance(5_000);
    await sent(t);
    expect(await newest()).toMatchObject({
      id: queued.id,
      state: 'sent',
      encrypted_content: null,
      settled_at: t.clock.date(),
    });
    t.clock.advance(7 * DAY);
    await sent(t);
    expect((await newest()).id).toBe(queued.id);
    t.clock.advance(1);
    await sent(t);
    expect(await rows()).toEqual([]);
  });

  it('is not sent when its transaction is rolled back', async () => {
    const count = (await rows()).length;
    const failing = t.dataSource.transaction(async (manager) => {
      await t.app.get(MailsService).enqueue(manager, { kind: 'reset_code', to: HANA, values: { code: '12345678' } });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await sent(t);
    expect(await rows()).toHaveLength(count);
    expect(smtp.mails).toEqual([]);
  });

  it('is not created for a user without an address', async () => expect(await enqueueCode(null)).toBe(false));

  it.each(["o'hana+x=y@example.org", 'hana@localhost', 'a!#$%&*/?^_`{|}~-.b@example.org'])(
    'is sent to the valid address %s',
    async (to) => {
      await enqueueNotification(to);
      await sent(t);
      expect(smtp.mails.map((mail) => mail.to)).toEqual([[to]]);
    },
  );

  it.each([
    'hana@example.org\r\nRCPT TO:<evil@example.org>',
    'hana@example.org\r\nBcc: evil@example.org',
    'hana@example.org, evil@example.org',
    'hana@example.org;evil@example.org',
    'Hana <evil@example.org>',
    '"evil@example.org,"@example.org',
    'hana@example.org (evil@example.org)',
  ])('fails without being sent when its address is %j', async (to) => {
    await enqueueNotification(to);
    await sent(t);
    expect(smtp.mails).toEqual([]);
    expect(await newest()).toMatchObject({ state: 'failed', last_error: 'EENVELOPE 553', encrypted_content: null });
  });

  it('is one of at most five of its kind per address and hour', async () => {
    const start = t.clock.now();
    for (let i = 0; i < 5; i++) {
      expect(await enqueueCode(HANA)).toBe(true);
      await sent(t);
      t.clock.advance(MINUTE);
    }
    expect(await enqueueCode(HANA)).toBe(false);
    expect(await enqueueCode('other@example.org')).toBe(true);
    expect(await enqueueNotification(HANA)).toBe(true);
    t.clock.set(start + 60 * MINUTE - 1);
    expect(await enqueueCode(HANA)).toBe(false);
    t.clock.set(start + 60 * MINUTE);
    expect(await enqueueCode(HANA)).toBe(true);
    expect(await enqueueCode(HANA)).toBe(false);
    await sent(t);
    expect(smtp.mails.filter(({ to, subject }) => to.includes(HANA) && subject.includes('code'))).toHaveLength(6);
  });

  it('is one of at most five when thirty are enqueued concurrently', async () => {
    await t.warmUp();
    const enqueued = await Promise.all(Array.from({ length: 30 }, () => enqueueCode(HANA)));
    expect(enqueued.filter(Boolean)).toHaveLength(5);
    await sent(t);
    expect(smtp.mails).toHaveLength(5);
  });
});

describe('a mail that cannot be sent', () => {
  const tries = async (): Promise<number> => {
    await sent(t);
    return (await newest()).attempts;
  };

  it('is retried after exactly 5 s, 10 s, 20 s … and delivered once the server is available again', async () => {
    await smtp.stopListening();
    await enqueueNotification(HANA);
    expect(await tries()).toBe(1);
    for (const [i, seconds] of [5, 10, 20, 40, 80, 160, 320, 600, 600].entries()) {
      t.clock.advance(seconds * 1000 - 1);
      expect(await tries()).toBe(i + 1);
      t.clock.advance(1);
      expect(await tries()).toBe(i + 2);
    }
    expect(await newest()).toMatchObject({ state: 'queued', last_error: 'ESOCKET' });
    await smtp.listenAgain();
    t.clock.advance(600_000);
    expect(await tries()).toBe(11);
    expect(smtp.mails).toHaveLength(1);
    expect(await newest()).toMatchObject({ state: 'sent', encrypted_content: null });
  });

  it.each([
    ['connect', 421],
    ['auth', 535],
    ['rcpt', 450],
    ['data', 451],
  ] as const)('is retried when the server refuses at %s with %i', async (at, code) => {
    smtp.refuse(at, code);
    await enqueueNotification(HANA);
    expect(await tries()).toBe(1);
    expect((await newest()).state).toBe('queued');
    smtp.refuse(undefined);
    t.clock.advance(5_000);
    expect(await tries()).toBe(2);
    expect(smtp.mails).toHaveLength(1);
  });

  it.each([
    ['rcpt', 'EENVELOPE 550'],
    ['data', 'EMESSAGE 550'],
  ] as const)(
    'fails when the server refuses it permanently at %s, and records codes without the address',
    async (at, error) => {
      smtp.refuse(at);
      await enqueueNotification(HANA);
      await sent(t);
      const failed = {
        state: 'failed',
        attempts: 1,
        last_error: error,
        encrypted_content: null,
        settled_at: t.clock.date(),
      };
      expect(await newest()).toMatchObject(failed);
      smtp.refuse(undefined);
      t.clock.advance(DAY);
      expect(await tries()).toBe(1);
      expect(smtp.mails).toEqual([]);
    },
  );

  it('fails when it expires: a code after ten minutes, a notification after three days', async () => {
    smtp.refuse('connect', 421);
    const start = t.clock.now();
    await enqueueCode(HANA);
    for (let i = 0; i < 7; i++) {
      expect((await newest()).state).toBe('queued');
      await sent(t);
      t.clock.set((await newest()).due_at.getTime());
    }
    expect(await newest()).toMatchObject({ state: 'failed', attempts: 7, encrypted_content: null });
    expect((await newest()).settled_at!.getTime()).toBeLessThanOrEqual(start + 10 * MINUTE);
    await enqueueNotification(HANA);
    expect(await tries()).toBe(1);
    t.clock.advance(3 * DAY);
    await sent(t);
    expect(await newest()).toMatchObject({ state: 'failed', attempts: 1, encrypted_content: null });
    expect(smtp.mails).toEqual([]);
  });

  it('does not delay other mails', async () => {
    smtp.refuse('rcpt', 450);
    await enqueueNotification(HANA);
    await sent(t);
    smtp.refuse(undefined);
    await enqueueNotification('other@example.org');
    await sent(t);
    expect(smtp.mails.map(({ to }) => to)).toEqual([['other@example.org']]);
  });

  it('waits for a process with its SECRET_KEY', async () => {
    smtp.refuse('connect', 421);
    await enqueueNotification('keys@example.org');
    await sent(t);
    smtp.refuse(undefined);
    const { SMTP_URL, MAIL_FROM } = t.config;
    const env = { SMTP_URL: SMTP_URL!, MAIL_FROM };
    const other = await startApp({ env, database: t.connection });
    other.clock.set(t.clock.now() + 5_000); // for t, which polls as well, the mail is not due yet
    await sent(other);
    await other.stop();
    expect(await newest()).toMatchObject({ state: 'queued', attempts: 2, last_error: 'unreadable' });
    t.clock.advance(15_000);
    await sent(t);
    expect(await newest()).toMatchObject({ state: 'sent', attempts: 3 });
    expect(smtp.mails.flatMap(({ to }) => to)).toContain('keys@example.org');
  });

  it('fails as unreadable after its lifetime when its encrypted content was changed', async () => {
    smtp.refuse('connect', 421);
    await enqueueNotification(HANA);
    await sent(t);
    const other = `update mails set encrypted_content = set_byte(encrypted_content, 40, get_byte(encrypted_content, 40) # 1)`;
    await t.dataSource.query(`${other} where state = 'queued'`);
    smtp.refuse(undefined);
    t.clock.advance(5_000);
    await sent(t);
    expect(await newest()).toMatchObject({ state: 'queued', last_error: 'unreadable' });
    t.clock.advance(3 * DAY);
    await sent(t);
    expect(await newest()).toMatchObject({ state: 'failed', last_error: 'unreadable', encrypted_content: null });
  });
});

it('the worker continues after the table was not available for a moment', async () => {
  await t.dataSource.query('alter table mails rename to unavailable');
  await sent(t);
  await t.dataSource.query('alter table unavailable rename to mails');
  await enqueueNotification(HANA);
  await sent(t);
  expect(smtp.mails).toHaveLength(1);
});

describe('without SMTP_URL', () => {
  it('mails are written to files in DATA_DIR that only the owner can read', async () => {
    const own = await startApp();
    await own.user();
    await sent(own);
    const folder = join(own.config.DATA_DIR, 'mail');
    const [name, ...others] = readdirSync(folder);
    expect(others).toEqual([]);
    expect(name).toMatch(/^[0-9a-f-]{36}-email_verification\.eml$/);
    expect(readFileSync(join(folder, name!), 'utf8')).toMatch(/^To: user1@example\.org\r$/m);
    expect(statSync(join(folder, name!)).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await own.stop();
  });

  it('a link is in one line of its file, and mail programs read the same text', async () => {
    const own = await startApp({
      env: { APP_NAME: 'Mächi', PUBLIC_URL: `https://machi.example.org/${'long-'.repeat(20)}path` },
    });
    const { username } = await own.user();
    await sent(own);
    const folder = join(own.config.DATA_DIR, 'mail');
    const raw = readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8');
    const [link] = /^https:\/\/machi\.example\.org\/(long-)+path\/api\/email-verifications\/[\w-]+$/m.exec(
      raw.replaceAll('\r', ''),
    )!;
    const { text, to } = await PostalMime.parse(raw);
    expect([text!.split('\n').includes(link), to![0]!.address]).toEqual([true, `${username}@example.org`]);
    await own.stop();
  });

  it('production sends no mail, keeps mails until they expire and then erases them', async () => {
    const own = await startApp({
      env: {
        NODE_ENV: 'production',
        RATE_LIMITS: 'on',
        BCRYPT_COST: '10',
        ...newKeys(),
      },
    });
    own.clock.set(own.clock.now());
    await own.user();
    await sent(own);
    const states = () =>
      own.dataSource.query(`select state, attempts, encrypted_content is null as is_wiped from mails`);
    expect(await states()).toEqual([{ state: 'queued', attempts: 0, is_wiped: false }]);
    own.clock.advance(DAY - 1);
    await sent(own);
    expect(await states()).toEqual([{ state: 'queued', attempts: 0, is_wiped: false }]);
    own.clock.advance(1);
    await sent(own);
    expect(await states()).toEqual([{ state: 'failed', attempts: 0, is_wiped: true }]);
    await own.stop();
  });
});

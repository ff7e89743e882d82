import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Mail } from '../../src/mail/mail.entity.js';
import { MailsService } from '../../src/mail/mails.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { databaseEnv } from '../support/setup/database.js';
import { launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';
import { type Smtp, startSmtp } from '../support/servers/smtp-server.js';

/** Creates the database of the processes. Sends no mail itself: at the time of its clock, no mail is due. */
let t: TestApp;
let smtp: Smtp;
const running: MachiProcess[] = [];
beforeAll(async () => {
  t = await startApp();
  t.clock.set(0);
});
beforeEach(async () => {
  smtp = await startSmtp();
  await t.dataSource.query('delete from mails');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((machi) => machi.kill('SIGTERM')));
  await smtp.stop();
});
afterAll(() => t.stop());

async function start(env: Record<string, string> = {}): Promise<MachiProcess> {
  const { SECRET_KEY, NATIONAL_ID_KEY, NATIONAL_ID_INDEX_KEY } = t.config;
  const machi = launch({
    ...databaseEnv(t.connection),
    SECRET_KEY,
    NATIONAL_ID_KEY,
    NATIONAL_ID_INDEX_KEY,
    DATA_DIR: t.config.DATA_DIR,
    SMTP_URL: smtp.url,
    ...env,
  });
  running.push(machi);
  return whenServing(machi);
}

let counter = 0;

/** Registers a user, which sends a verification mail. Returns the address. */
async function register({ url }: MachiProcess): Promise<string> {
  const email = `process${++counter}@example.org`;
  const body = { username: `process${counter}`, email, password: 'cloudy harbour seven', fullname: 'Process' };
  const headers = { 'content-type': 'application/json' };
  const { status } = await fetch(`${url}/api/users`, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(status).toBe(201);
  return email;
}

const rows = () => t.dataSource.query<Mail[]>('select * from mails order by id');

describe('a process killed with -9', () => {
  it('while it sends leaves the mail to the next process, which sends and records it once', async () => {
    smtp.setSilent(true);
    const first = await start();
    const email = await register(first);
    await expect.poll(() => smtp.arrivals()).toBe(1); // claimed and transmitted, but not acknowledged
    await first.kill('SIGKILL');
    smtp.setSilent(false);
    expect(await rows()).toMatchObject([{ state: 'queued', attempts: 1 }]);
    const second = await start();
    expect(smtp.mails).toEqual([]); // the lease of the killed process has not ended
    await t.dataSource.query(`update mails set due_at = now()`); // ninety seconds later
    await expect.poll(async () => (await rows())[0]!.state).toBe('sent');
    expect(await rows()).toMatchObject([{ state: 'sent', attempts: 2, encrypted_content: null }]);
    expect(smtp.mails.map(({ to }) => to)).toEqual([[email]]);
    expect(second.output()).not.toContain(email);
  });

  it('before it sends leaves the mail to the next process', async () => {
    await smtp.stopListening();
    const first = await start();
    const email = await register(first);
    await expect.poll(async () => (await rows())[0]!.last_error).toBe('ESOCKET');
    await first.kill('SIGKILL');
    await smtp.listenAgain();
    await start();
    await expect.poll(() => smtp.mails.map(({ to }) => to)).toEqual([[email]]);
    await expect.poll(rows).toMatchObject([{ state: 'sent', attempts: 2 }]);
  });
});

it('a process that is stopped while it sends finishes sending and records the mail', async () => {
  const machi = await start();
  await register(machi);
  expect(await machi.kill('SIGTERM')).toBe(0);
  await start(); // sends the mail if the first process could not
  await expect.poll(rows).toMatchObject([{ state: 'sent' }]);
  expect(smtp.mails).toHaveLength(1);
});

it('a process that is stopped does not wait for a silent mail server', async () => {
  smtp.setSilent(true);
  const machi = await start();
  await register(machi);
  await expect.poll(() => smtp.arrivals()).toBe(1);
  const before = Date.now();
  expect(await machi.kill('SIGTERM')).toBe(0);
  expect(Date.now() - before).toBeLessThan(10_000);
});

const PROCESSES = 4;

it(`${PROCESSES} processes on one database send each mail once`, async () => {
  await Promise.all(Array.from({ length: PROCESSES }, () => start()));
  const addresses = Array.from({ length: 90 }, (_, i) => `racer${i}@example.org`);
  await t.dataSource.transaction(async (manager) => {
    const mails = t.app.get(MailsService);
    for (const to of addresses)
      await mails.enqueue(manager, { kind: 'password_changed', to, values: mails.securityContext() });
    await manager.query(`update mails set due_at = now(), expires_at = now() + interval '1 hour'`);
  });
  await expect
    .poll(async () => (await rows()).filter(({ state }) => state !== 'sent'), { timeout: 30_000 })
    .toEqual([]);
  expect(smtp.mails.flatMap(({ to }) => to).toSorted()).toEqual(addresses.toSorted());
  expect((await rows()).map(({ attempts }) => attempts)).toEqual(addresses.map(() => 1));
});

describe('the log', () => {
  it('names file and kind in development, but neither link nor address', async () => {
    const machi = await start({ SMTP_URL: '' });
    const email = await register(machi);
    await expect.poll(machi.output).toMatch(/mail "email_verification" written to \S+\/mail\/[\w-]+\.eml/);
    expect(machi.output()).not.toContain('/email-verifications/');
    expect(machi.output()).not.toContain(email);
  });

  it('contains a warning when production starts without SMTP_URL', async () => {
    const machi = await start({ NODE_ENV: 'production', SMTP_URL: '', BCRYPT_COST: '10', IDENTITY_TOKEN_TTL: '15m' });
    expect(machi.output()).toContain('SMTP_URL is not set');
    await register(machi);
    expect(await rows()).toMatchObject([{ state: 'queued', attempts: 0 }]);
  });
});

import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Appointment } from '../../src/vaccination/appointments/appointment.entity.js';
import { NoticesWorker } from '../../src/vaccination/messages/notices.worker.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { startSmsGateway } from '../support/servers/sms-gateway.js';
import { sent, type Smtp, startSmtp } from '../support/servers/smtp-server.js';
import { vaccinationRows } from '../support/vaccination/vaccination-rows.js';
import { vaccinationWorld } from '../support/vaccination/vaccination.js';

const PHONE = '+8801712345678';
const MINUTE = 60_000;

let t: TestApp;
let smtp: Smtp;
let gateway: Awaited<ReturnType<typeof startSmsGateway>>;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let rows: ReturnType<typeof vaccinationRows>;
let owner: SignedInUser;
let ids: { centreId: string; vaccineId: string };

beforeAll(async () => {
  [smtp, gateway] = await Promise.all([startSmtp(), startSmsGateway()]);
  t = await startApp({
    env: {
      IDENTITY_TOKEN_TTL: 'never',
      SESSION_MAX_AGE: 'never',
      REFRESH_TOKEN_TTL: 'never',
      SMTP_URL: smtp.url,
      MAIL_FROM: 'machi@example.org',
      SMS_GATEWAY_URL: gateway.url,
      SMS_GATEWAY_TOKEN: 'token-of-the-gateway',
    },
  });
  t.clock.set(Date.parse('2027-01-04T06:00:00Z')); // noon in Dhaka
  world = await vaccinationWorld(t);
  rows = vaccinationRows(t);
  owner = await t.verifiedUser();
  ids = { centreId: (await world.centre()).id, vaccineId: (await world.vaccine()).id };
});
beforeEach(async () => {
  t.clock.advance(90 * MINUTE); // the limits per hour count from zero
  await deliver();
  smtp.mails.length = 0;
  gateway.messages.length = 0;
});
afterEach(() => gateway.answer(202));
afterAll(async () => {
  await t.stop();
  await Promise.all([smtp.stop(), gateway.stop()]);
});

const notices = () => t.app.get(NoticesWorker);

/** Writes the messages about all notices, and sends them. */
async function deliver(): Promise<void> {
  await notices().run();
  await sent(t);
}

async function session(fields: object = {}): Promise<string> {
  const { id } = await world.session({ centre_id: ids.centreId, vaccine_id: ids.vaccineId, ...fields });
  return id;
}

async function person(user: SignedInUser | undefined = owner): Promise<string> {
  await t.dataSource.query('update vaccination_registrations set user_id = null where user_id = $1', [user.id]);
  const [id] = await rows.registrations(1, { user_id: user.id, legal_name: 'Secret Name', phone: PHONE });
  return id!;
}

const book = async (sessionId: string, registrationId: string): Promise<string> =>
  (await rows.appointments(sessionId, [registrationId], 'booked'))[0]!;

const change = (id: string, fields: Partial<Appointment>) => t.dataSource.manager.update(Appointment, id, fields);

const fromBase64 = (text: string): string => Buffer.from(text, 'base64').toString();

function fromQuotedPrintable(text: string): string {
  const bytes = text
    .replaceAll(/=\r\n/g, '')
    .replaceAll(/=([\dA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
}

/** The calendar event of a mail, unfolded. */
function eventOf(raw: string): string {
  const parts = [...raw.matchAll(/Content-Type: text\/calendar[^]*?\r\n\r\n([^]*?)\r\n--/g)].map(([, body]) => body!);
  const decoded = parts.map((body) => (body.includes('BEGIN:') ? fromQuotedPrintable(body) : fromBase64(body)));
  return (decoded[0] ?? '').replaceAll(/\r\n[ \t]/g, '');
}

describe('a booked appointment', () => {
  it('is told by mail and SMS in Bengali and English, with an event for the calendar', async () => {
    const id = await book(
      await session({ starts_at: '2027-01-18T03:00:00Z', ends_at: '2027-01-18T06:00:00Z' }),
      await person(),
    );
    await deliver();
    expect(smtp.mails).toHaveLength(1);
    const { subject, text, raw, to } = smtp.mails[0]!;
    expect(to).toEqual([`${owner.username}@example.org`]);
    expect(subject).toBe('টিকার অ্যাপয়েন্টমেন্ট নিশ্চিত · Vaccination appointment booked');
    expect(text).toMatch(/Monday,? 18 January 2027 at 09:00/);
    expect(text).toMatch(/সোমবার, ১৮ \S+, ২০২৭/);
    const event = eventOf(raw);
    expect(event).toContain('METHOD:REQUEST');
    expect(event).toContain(`UID:${id}@example.org`);
    expect(event).toContain('SEQUENCE:0');
    expect(event).toContain('DTSTART:20270118T030000Z');
    expect(event).toContain('DTEND:20270118T060000Z');
    expect(gateway.messages).toMatchObject([{ to: PHONE, authorization: 'Bearer token-of-the-gateway' }]);
    expect(gateway.messages[0]!.key).toBe(gateway.messages[0]!.id);
    expect(gateway.messages[0]!.text).toContain('18 Jan 2027, 09:00');
    expect(`${raw}${text}${gateway.messages[0]!.text}`).not.toMatch(/Secret Name|1234\b/);
  });

  it('has an event in which no text of a centre becomes a line or a parameter of its own', async () => {
    const name = 'One; two, three:\\nATTENDEE=x "four" 😀';
    const { id: centre_id } = await world.centre({ name, address: '😀 Road, 7'.repeat(20) });
    await book(await session({ centre_id }), await person());
    await deliver();
    const { raw } = smtp.mails[0]!;
    const lines = eventOf(raw).split('\r\n');
    const names = lines.map((line) => line.split(/[:;]/, 1)[0]);
    expect(names.filter((each) => each === 'ATTENDEE' || each === 'LOCATION' || each === 'METHOD')).toHaveLength(3);
    expect(lines.find((line) => line.startsWith('LOCATION:'))).toContain(
      'One\\; two\\, three:\\\\nATTENDEE=x "four" 😀\\, 😀 Road\\, 7',
    );
  });

  it('is not told if its transaction is rolled back', async () => {
    const [sessionId, registrationId] = [await session(), await person()];
    const attempt = t.dataSource.transaction(async (manager) => {
      await vaccinationRows({ ...t, dataSource: { manager } } as never).appointments(
        sessionId,
        [registrationId],
        'booked',
      );
      throw new Error('roll back');
    });
    await expect(attempt).rejects.toThrow('roll back');
    await deliver();
    expect([smtp.mails.length, gateway.messages.length]).toEqual([0, 0]);
  });

  it('is told once when several workers run at the same time', async () => {
    await book(await session(), await person());
    const second = await startApp({ database: t.connection, env: { SECRET_KEY: t.config.SECRET_KEY } });
    second.clock.set(t.clock.now());
    await Promise.all([notices().run(), second.app.get(NoticesWorker).run()]);
    await second.stop();
    const told = await t.dataSource.query(
      `select channel from mails where kind = 'vaccination_booked' and state <> 'discarded' and created_at = $1
       order by channel`,
      [t.clock.date()],
    );
    expect(told).toEqual([{ channel: 'email' }, { channel: 'sms' }]);
    expect(await t.dataSource.query('select * from vaccination_notices')).toEqual([]);
  });

  it('is told by SMS only if the address is not verified, and not at all as a walk-in', async () => {
    const registrationId = await person(await t.user());
    await book(await session(), registrationId);
    await deliver();
    const mails = smtp.mails.filter(({ subject }) => !subject.startsWith('Confirm your e-mail address'));
    expect([mails.length, gateway.messages.length]).toEqual([0, 1]);
    const sessionId = await session({ walk_in_capacity: 5 });
    const row = { id: '0199c2a4-6f00-7a11-9c55-0b1d2e3f4aff', registration_id: registrationId, session_id: sessionId };
    const fields = { disease: 'other', dose: 1, status: 'booked' as const, is_walk_in: true };
    await t.dataSource.manager.insert(Appointment, {
      ...row,
      ...fields,
      created_at: new Date(),
      updated_at: new Date(),
    });
    await deliver();
    expect(gateway.messages).toHaveLength(1);
  });
});

describe('a change of an appointment', () => {
  it('is told with the same UID and a growing SEQUENCE: moved, then cancelled', async () => {
    const id = await book(await session(), await person());
    await change(id, { session_id: await session({ days: 9 }), moves: 1 });
    await deliver();
    await change(id, { status: 'cancelled' });
    await deliver();
    const moved = smtp.mails.find(({ subject }) => subject.includes('moved'))!;
    const cancelled = smtp.mails.find(({ subject }) => subject.includes('appointment cancelled'))!;
    expect(eventOf(moved.raw)).toMatch(new RegExp(`UID:${id}@example.org[^]*SEQUENCE:1`));
    expect(eventOf(cancelled.raw)).toContain('METHOD:CANCEL');
    expect(eventOf(cancelled.raw)).toMatch(new RegExp(`UID:${id}@example.org[^]*SEQUENCE:2[^]*STATUS:CANCELLED`));
  });

  it('names the reason when the centre cancels the session', async () => {
    const sessionId = await session();
    const id = await book(sessionId, await person());
    await deliver();
    await t.dataSource.query(
      `update vaccination_sessions set status = 'cancelled', cancellation_reason = 'The delivery is late.' where id = $1`,
      [sessionId],
    );
    await change(id, { status: 'cancelled' });
    await deliver();
    const mail = smtp.mails.find(({ subject }) => subject.includes('session cancelled'))!;
    expect(mail.text).toContain('Reason: The delivery is late.');
    expect(eventOf(mail.raw)).toContain('METHOD:CANCEL');
  });

  it('names the waitlist when a place became free', async () => {
    const [sessionId, registrationId] = [await session(), await person()];
    await t.dataSource.query(
      'insert into vaccination_waitlist_entries (session_id, registration_id, created_at) values ($1, $2, now())',
      [sessionId, registrationId],
    );
    await book(sessionId, registrationId);
    await deliver();
    expect(smtp.mails[0]!.text).toContain('booked from the waitlist');
  });
});

describe('a reminder', () => {
  const remindAt = async (time: string): Promise<number> => {
    t.clock.set(Date.parse(time));
    smtp.mails.length = 0;
    await Promise.all([notices().remind(), notices().remind()]);
    await deliver();
    return smtp.mails.filter(({ subject }) => subject.includes('Reminder of')).length;
  };

  it('is sent once, on the day before at 09:00 in the time zone of the centre, also after a downtime', async () => {
    t.clock.set(Date.parse('2027-02-01T00:00:00Z'));
    const sessionId = await session({ starts_at: '2027-02-09T18:30:00Z', ends_at: '2027-02-09T20:00:00Z' }); // 10 February
    const id = await book(sessionId, await person());
    await t.dataSource.query('update vaccination_appointments set created_at = $2 where id = $1', [id, t.clock.date()]);
    expect(await remindAt('2027-02-09T02:59:00Z')).toBe(0);
    expect(await remindAt('2027-02-09T17:00:00Z')).toBe(1); // 8 hours late
    expect(await remindAt('2027-02-09T17:01:00Z')).toBe(0);
    const later = await session({ starts_at: '2027-02-10T20:00:00Z', ends_at: '2027-02-10T21:00:00Z' }); // 11 February
    await change(id, { session_id: later, moves: 1 });
    expect(await remindAt('2027-02-10T03:00:00Z')).toBe(1);
    expect(await remindAt('2027-02-10T20:00:01Z')).toBe(0);
  });

  it('is not sent for a cancelled appointment', async () => {
    t.clock.set(Date.parse('2027-02-12T00:00:00Z'));
    const sessionId = await session({ starts_at: '2027-02-15T03:00:00Z', ends_at: '2027-02-15T06:00:00Z' });
    const id = await book(sessionId, await person());
    await t.dataSource.query('update vaccination_appointments set created_at = $2 where id = $1', [id, t.clock.date()]);
    await change(id, { status: 'cancelled' });
    expect(await remindAt('2027-02-14T04:00:00Z')).toBe(0);
  });
});

describe('a dose', () => {
  const at = '2027-03-01T05:00:00Z';

  async function give(fields: object = {}) {
    t.clock.set(Date.parse(at));
    const registrationId = await person();
    const { id: lotId } = await world.create('/api/vaccination/lots', {
      centre_id: ids.centreId,
      vaccine_id: ids.vaccineId,
      number: `L${registrationId}`.slice(0, 20),
      expires_on: '2027-12-31',
      received: 10,
    });
    const sessionId = await session({ days: 1 });
    await rows.doses({ ...ids, lotId, sessionId, at, registrationIds: [registrationId], ...fields });
    await deliver();
    smtp.mails.length = 0;
    return { lotId, registrationId };
  }

  const remind = async (time: string): Promise<string[]> => {
    t.clock.set(Date.parse(time));
    await notices().remind();
    await deliver();
    return smtp.mails.splice(0).map(({ subject }) => subject);
  };

  it('is followed by no message while the next one cannot be booked, and by one when the vaccine is active again', async () => {
    const { id: vaccineId } = await world.vaccine();
    const { id: sessionId } = await world.session({ centre_id: ids.centreId, vaccine_id: vaccineId });
    await give({ vaccineId, sessionId });
    const setActive = (is_active: boolean) =>
      t.dataSource.query('update vaccines set is_active = $2 where id = $1', [vaccineId, is_active]);
    await setActive(false);
    expect(await remind('2027-04-26T03:00:00Z')).toEqual([]);
    await setActive(true);
    expect(await remind('2027-04-27T03:00:00Z')).toEqual([expect.stringContaining('Next vaccination dose due')]);
  });

  it('is followed by one message when the next one is due, unless that is booked', async () => {
    const { registrationId } = await give();
    expect(await remind('2027-04-26T02:59:00Z')).toEqual([]); // 56 days later, before 09:00
    expect(await remind('2027-04-26T03:00:00Z')).toEqual([expect.stringContaining('Next vaccination dose due')]);
    expect(await remind('2027-04-27T03:00:00Z')).toEqual([]);
    await t.dataSource.query('delete from vaccination_reminders');
    await rows.appointments(await session(), [registrationId], 'booked', 2);
    await deliver();
    smtp.mails.length = 0;
    expect(await remind('2027-04-27T03:10:00Z')).toEqual([]);
  });

  it('names the recommended day of the next dose at the centre, also when its clocks change until then', async () => {
    const { id: centreId } = await world.centre({ time_zone: 'America/New_York' });
    // 23:30 on 1 February; 56 days later the clocks are an hour ahead.
    await give({ centreId, at: '2027-02-02T04:30:00Z' });
    t.clock.set(Date.parse('2027-03-29T13:00:00Z')); // 09:00 on 29 March
    await notices().remind();
    await deliver();
    expect(smtp.mails.at(-1)!.text).toMatch(/Day: Monday,? 29 March 2027/);
  });

  it('of a recalled lot is told to those who got it', async () => {
    const { lotId } = await give();
    const sql = `update vaccine_lots set recalled_at = now(), recall_reason = 'Stored too warm.' where id = $1`;
    await t.dataSource.query(sql, [lotId]);
    await deliver();
    expect(smtp.mails.map(({ text }) => text)).toEqual([expect.stringContaining('Reason: Stored too warm.')]);
    await t.dataSource.query(sql, [lotId]);
    await deliver();
    expect(smtp.mails).toHaveLength(1);
  });
});

describe('an SMS', () => {
  it('is tried again when the gateway is down, and not when it refuses the message', async () => {
    gateway.answer(503);
    await book(await session(), await person());
    await deliver();
    gateway.answer(202);
    t.clock.advance(MINUTE);
    await sent(t);
    expect(gateway.messages).toHaveLength(1);

    gateway.answer(400);
    await book(await session(), await person());
    await deliver();
    t.clock.advance(MINUTE);
    await sent(t);
    const [{ state, last_error }] = await t.dataSource.query(
      `select state, last_error from mails where channel = 'sms' order by id desc limit 1`,
    );
    expect([state, last_error]).toEqual(['failed', 'HTTP 400']);
    expect(t.logLines.join('')).not.toMatch(/1712345678|Secret Name/);
  });

  it('is sent to one number at most 20 times of a kind within an hour', async () => {
    const registrationIds = await rows.registrations(25, { phone: '+8801812345678' });
    await rows.appointments(await session({ capacity: 100 }), registrationIds, 'booked');
    await deliver();
    expect(gateway.messages).toHaveLength(20);
  });

  it('is a line of the log without number and text when no gateway is set', async () => {
    const lines = vi.spyOn(Logger.prototype, 'log');
    const other = await startApp();
    const otherWorld = await vaccinationWorld(other);
    const [registrationId] = await vaccinationRows(other).registrations(1, { phone: PHONE });
    await vaccinationRows(other).appointments((await otherWorld.session()).id, [registrationId!], 'booked');
    await other.app.get(NoticesWorker).run();
    await sent(other);
    const [{ state }] = await other.dataSource.query(`select state from mails where channel = 'sms'`);
    const log = lines.mock.calls.flat().join('\n');
    lines.mockRestore();
    await other.stop();
    expect(state).toBe('sent');
    expect(log).toContain('vaccination_booked');
    expect(log).not.toMatch(/17123456|appointment is booked/);
  });
});

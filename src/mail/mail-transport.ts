import { mkdir, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Config } from '../config/config.js';

/** An event for the recipient's calendar, as iCalendar (RFC 5545). */
export interface CalendarEvent {
  method: 'REQUEST' | 'CANCEL';
  content: string;
}

/** A mail, or an SMS, which has no subject. */
export interface OutgoingMessage {
  id: string;
  kind: string;
  to: string;
  subject: string;
  text: string;
  calendar?: CalendarEvent;
}

/** Sends a message. Resolves to the path of the file if it was written to one. Rejects with a SendError (mail-errors.ts). */
export type Send = (message: OutgoingMessage) => Promise<string | undefined>;

/** Loaded by the first mail and not by the start. */
const nodemailer = () => import('nodemailer');

const TIMEOUTS = { dnsTimeout: 5_000, connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 15_000 };

/** Sends by SMTP if SMTP_URL is set, otherwise to files in `DATA_DIR/mail`. Undefined in production without SMTP_URL. */
export function createSend(config: Config): Send | undefined {
  if (config.SMTP_URL !== undefined) return sendBySmtp(config, config.SMTP_URL);
  return config.isProduction ? undefined : writeToFolder(config, join(config.DATA_DIR, 'mail'));
}

/** Connects to the mail server, greets it and signs in, without sending. Rejects with the error of nodemailer. */
export async function verifyMailServer(config: Config, url: string): Promise<void> {
  const transport = await createSmtpTransport(config, url);
  await transport.verify();
}

async function createSmtpTransport(config: Config, url: string) {
  const { createTransport } = await nodemailer();
  const options = { ...TIMEOUTS, name: greetingName(config), disableFileAccess: true, disableUrlAccess: true };
  return createTransport({ ...options, url });
}

function sendBySmtp(config: Config, url: string): Send {
  let transport: ReturnType<typeof createSmtpTransport> | undefined;
  return async (mail) => {
    transport ??= createSmtpTransport(config, url);
    await (await transport).sendMail(messageOf(config, mail));
    return undefined;
  };
}

/**
 * The name in the greeting (EHLO). Servers may refuse one that is not a full domain name, as the host name of a container: the
 * host of PUBLIC_URL if it is one, else the domain of MAIL_FROM.
 */
function greetingName({ SMTP_EHLO_NAME, PUBLIC_URL, MAIL_FROM }: Config): string {
  if (SMTP_EHLO_NAME !== undefined) return SMTP_EHLO_NAME;
  const hosts = [PUBLIC_URL === undefined ? '' : new URL(PUBLIC_URL).hostname, MAIL_FROM.split('@').at(-1)!];
  const domain = hosts.find((host) => host.includes('.') && isIP(host) === 0);
  return domain ?? literalOf(hosts.find((host) => host !== '')!);
}

/** An address as RFC 5321 writes it; other hosts unchanged. */
function literalOf(host: string): string {
  if (isIP(host) === 4) return `[${host}]`;
  return host.startsWith('[') && host.includes(':') ? host.replace('[', '[IPv6:') : host;
}

/** Readable by the owner only. Written under another name first, so that a file is always complete. */
function writeToFolder(config: Config, folder: string): Send {
  return async (mail) => {
    const { createTransport } = await nodemailer();
    const composer = createTransport({ streamTransport: true, buffer: true });
    const { message } = await composer.sendMail(messageOf(config, mail));
    const file = join(folder, `${mail.id}-${mail.kind}.eml`);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const text = (message as Buffer).toString();
    const content = mail.calendar === undefined ? withWholeLines(text, mail.text) : text;
    await writeFile(`${file}.draft`, content, { mode: 0o600 });
    await rename(`${file}.draft`, file);
    return file;
  };
}

/** A message without attachment, with its text unencoded: people read the file, and the encodings that nodemailer chooses break links in two. */
function withWholeLines(message: string, text: string): string {
  const head = message.split('\r\n\r\n', 1)[0]!;
  const encoding = 'Content-Transfer-Encoding: 8bit';
  return `${head.replace(/^Content-Transfer-Encoding: .*$/m, encoding)}\r\n\r\n${text.replaceAll(/\r?\n/g, '\r\n')}`;
}

/** Exactly one address. nodemailer accepts lists, comments and line breaks, and would send to further recipients. */
const ONE_ADDRESS = /^[^\s"(),:;<>@[\\\]]+@[^\s"(),:;<>@[\\\]]+$/;

/** Every attempt has the same Message-ID. `Auto-Submitted` prevents automatic replies (RFC 3834). */
function messageOf({ APP_NAME, MAIL_FROM }: Config, { id, to, subject, text, calendar }: OutgoingMessage) {
  if (!ONE_ADDRESS.test(to))
    throw Object.assign(new Error('not one address'), { code: 'EENVELOPE', responseCode: 553 });
  return {
    from: { name: APP_NAME, address: MAIL_FROM },
    to: { name: '', address: to },
    envelope: { from: MAIL_FROM, to: [to] },
    subject,
    text,
    ...(calendar === undefined ? {} : { icalEvent: { filename: 'appointment.ics', ...calendar } }),
    messageId: `<${id}@${MAIL_FROM.split('@').at(-1)}>`,
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}

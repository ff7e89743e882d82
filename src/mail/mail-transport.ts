import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import type { Config } from '../config/config.js';
import type { MailKind } from './mail-templates.js';

export interface OutgoingMail {
  id: string;
  kind: MailKind;
  to: string;
  subject: string;
  text: string;
}

/** Hands a mail over for good; answers where it can be read, if that is on this machine. */
export type Send = (mail: OutgoingMail) => Promise<string | undefined>;

/** A server that stays silent holds a mail no longer than this. */
const TIMEOUTS = { dnsTimeout: 5_000, connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 15_000 };

/** By SMTP; without SMTP_URL into a folder, but in production nowhere: there nobody would look into it. */
export function transportOf(config: Config): Send | undefined {
  if (config.SMTP_URL !== undefined) return bySmtp(config, config.SMTP_URL);
  return config.isProduction ? undefined : intoFolder(config, join(config.DATA_DIR, 'mail'));
}

function bySmtp(config: Config, url: string): Send {
  const transport = createTransport({ ...TIMEOUTS, url, disableFileAccess: true, disableUrlAccess: true });
  return async (mail) => {
    await transport.sendMail(messageOf(config, mail));
    return undefined;
  };
}

/** Each there in full or not at all, for nobody else to read. */
function intoFolder(config: Config, folder: string): Send {
  const composer = createTransport({ streamTransport: true, buffer: true });
  return async (mail) => {
    const { message } = await composer.sendMail(messageOf(config, mail));
    const file = join(folder, `${mail.id}-${mail.kind}.eml`);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(`${file}.draft`, message as Buffer, { mode: 0o600 });
    await rename(`${file}.draft`, file);
    return file;
  };
}

/** No list, no comment, no second line: nodemailer would read them (tried), and write to others, too. */
const ONE_ADDRESS = /^[^\s"(),:;<>@[\\\]]+@[^\s"(),:;<>@[\\\]]+$/;

/**
 * The Message-ID stays the same however often a mail is sent, and machines are told not to answer (RFC 3834).
 */
function messageOf({ APP_NAME, MAIL_FROM }: Config, { id, to, subject, text }: OutgoingMail) {
  if (!ONE_ADDRESS.test(to))
    throw Object.assign(new Error('not one address'), { code: 'EENVELOPE', responseCode: 553 });
  return {
    from: { name: APP_NAME, address: MAIL_FROM },
    to: { name: '', address: to },
    envelope: { from: MAIL_FROM, to: [to] },
    subject,
    text,
    messageId: `<${id}@${MAIL_FROM.split('@').at(-1)}>`,
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}

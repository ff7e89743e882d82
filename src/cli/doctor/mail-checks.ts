import type { Config } from '../../config/config.js';
import { verifyMailServer } from '../../mail/mail-transport.js';
import { type Check, error, ok, skipped, warning } from './check.js';

/** Connects, greets and signs in, without sending a mail. */
export async function examineMail(config: Config): Promise<Check[]> {
  if (config.SMTP_URL === undefined) {
    if (!config.isProduction) return [skipped('mail', 'SMTP_URL is not set: mails are written to files')];
    const remedy = 'Set SMTP_URL and MAIL_FROM: without mail, nobody can reset a forgotten password.';
    return [warning('mail', 'SMTP_URL is not set: mails are not sent', remedy)];
  }
  try {
    await verifyMailServer(config, config.SMTP_URL);
    return [ok('mail', 'the server accepts the connection and the sign-in')];
  } catch (failure) {
    const { code, message } = failure as NodeJS.ErrnoException;
    const remedies: Record<string, string> = {
      EAUTH: 'Correct user and password in SMTP_URL.',
      EDNS: 'Correct the host in SMTP_URL.',
      ETLS: 'Use smtps:// for servers that encrypt from the start, smtp:// for STARTTLS.',
    };
    const remedy = remedies[code ?? ''] ?? 'Check host and port in SMTP_URL, and that a firewall lets Machi through.';
    return [error('mail', `${code ?? 'failed'}: ${message}`, remedy)];
  }
}

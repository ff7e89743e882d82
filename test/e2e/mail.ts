import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** The folder that the stack writes mail into, which it shares with us. */
const FOLDER = process.env['MAIL_FOLDER'] ?? '.data/mail';

/** The code of the newest mail for a new password to this address, once that has come. */
export async function resetCodeOf(address: string): Promise<string> {
  return /\b\d{8}\b/.exec(await newestMail('reset_code', address))![0];
}

/** The token of the newest mailed link that verifies this address, once that has come. */
export async function verificationTokenOf(address: string): Promise<string> {
  const text = await newestMail('email_verification', address);
  return /email-verifications\/([\w-]{43})/.exec(text)![1]!;
}

async function newestMail(kind: string, address: string): Promise<string> {
  await expect.poll(() => findMail(kind, address), { timeout: 30_000 }).toBeDefined();
  return findMail(kind, address)!;
}

function findMail(kind: string, address: string): string | undefined {
  const names = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith(`-${kind}.eml`)) : [];
  const mails = names.toSorted().map((name) => readFileSync(join(FOLDER, name), 'utf8'));
  const mail = mails.findLast((text) => /^To: .*$/im.exec(text)?.[0].includes(address));
  return mail?.split('\r\n\r\n').slice(1).join('\r\n\r\n'); // without the head
}

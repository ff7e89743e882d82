import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** The folder that the stack writes mail into, which it shares with us. */
const FOLDER = process.env['MAIL_FOLDER'] ?? '.data/mail';

/** The code of the newest mail for a new password to this address, once that has come. */
export async function resetCodeOf(address: string): Promise<string> {
  await expect.poll(() => findResetMail(address), { timeout: 30_000 }).toBeDefined();
  return /\b\d{8}\b/.exec(findResetMail(address)!)![0];
}

function findResetMail(address: string): string | undefined {
  const names = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith('-reset_code.eml')) : [];
  const mails = names.toSorted().map((name) => readFileSync(join(FOLDER, name), 'utf8'));
  const mail = mails.findLast((text) => /^To: .*$/im.exec(text)?.[0].includes(address));
  return mail?.split('\r\n\r\n').slice(1).join('\r\n\r\n'); // without the head
}

import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import { MAX_PASSWORD_BYTES, normalisePassword } from './normalise-password.js';

const MIN_BYTES = 8;

/** The rules for new passwords. With `PASSWORD_POLICY=off`, only the limits of bcrypt apply. */
@Injectable()
export class PasswordPolicyService {
  constructor(private readonly config: Config) {}

  /**
   * Checks a new password. `names` are the username and the e-mail address, which must not be the password; `path` is the
   * field that the errors name. Throws `password_refused` with all errors.
   */
  async assertAcceptable(password: string, names: (string | null | undefined)[], path = 'password'): Promise<void> {
    const sentences = await this.findErrors(password, names);
    const errors = sentences.map((error) => ({ path, message: `${path} ${error}` }));
    if (errors.length > 0) throw new Problem('password_refused', { members: { errors } });
  }

  /** The rules that a new password breaks, as sentences without a subject; empty if it is acceptable. */
  async findErrors(password: string, names: (string | null | undefined)[]): Promise<string[]> {
    const text = normalisePassword(password);
    const lower = text.toLowerCase();
    const bytes = Buffer.byteLength(text);
    const isStrict = this.config.PASSWORD_POLICY === 'on';
    const rules: [isBroken: boolean, error: string][] = [
      [bytes < 1, 'must not be empty'],
      [bytes > MAX_PASSWORD_BYTES, `must have at most ${MAX_PASSWORD_BYTES} bytes, since what follows would not count`],
      [isStrict && bytes < MIN_BYTES, `must have at least ${MIN_BYTES} bytes`],
      [isStrict && (await isCommon(lower)), 'is one of the most common ones'],
      [isStrict && names.some((name) => name?.toLowerCase() === lower), 'must not be the username or the e-mail'],
    ];
    return rules.flatMap(([isBroken, error]) => (isBroken ? [error] : []));
  }
}

let commonPasswords: Promise<Set<string>> | undefined;

/** Loads the list for the first check, which then takes 0.1 s longer: most starts check no password. */
async function isCommon(password: string): Promise<boolean> {
  commonPasswords ??= loadCommonPasswords();
  return (await commonPasswords).has(password);
}

async function loadCommonPasswords(): Promise<Set<string>> {
  try {
    const { dictionary } = await import('@zxcvbn-ts/language-common');
    return new Set(dictionary['passwords-common']);
  } catch (error) {
    commonPasswords = undefined; // the next check tries again
    throw error;
  }
}

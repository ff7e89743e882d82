import { Injectable } from '@nestjs/common';
import { dictionary } from '@zxcvbn-ts/language-common';
import bcrypt from 'bcrypt';
import pLimit, { type LimitFunction } from 'p-limit';
import { Problem, unavailable } from '../../http/problem.js';
import { isClientDisconnected } from '../../http/request-context.js';
import { Config } from '../../config/config.js';

const MIN_BYTES = 8;
/** bcrypt ignores whatever follows. */
const MAX_BYTES = 72;
/** How long anybody may wait in line for a hash; whoever would wait longer is told to come back. */
const MAX_WAIT_MS = 5_000;
/** What a hash of cost 12 takes on a processor of today; each step of cost doubles it. */
const COST_12_MS = 250;

/** Same characters, same password, however the keyboard composed them; nothing is trimmed. */
const normalise = (password: string): string => password.normalize('NFC');

/** A well-formed hash that no password has: comparing with it costs what comparing with a real one does. */
const decoy = (cost: number): string => bcrypt.genSaltSync(cost) + '.'.repeat(31);

/**
 * The further hashes that make one of an older, lower cost as much work as one of today's: a cost of c is 2^c rounds, and
 * 2^c + (2^c + 2^(c+1) + … + 2^(target-1)) = 2^target.
 */
export const paddingCosts = (cost: number, target: number): number[] =>
  Array.from({ length: Math.max(0, target - cost) }, (_, i) => cost + i);

/** Rules, hashing and checking of passwords. Hashing takes a processor for a quarter of a second, so it waits in line. */
@Injectable()
export class PasswordsService {
  private readonly limit: LimitFunction;
  private readonly maxWaiting: number;
  private readonly common = new Set(dictionary['passwords-common']);

  constructor(private readonly config: Config) {
    this.limit = pLimit(config.hashingThreads);
    this.maxWaiting = (config.hashingThreads * MAX_WAIT_MS) / (COST_12_MS * 2 ** (config.BCRYPT_COST - 12));
  }

  /** Throws `password_refused` with the reasons; `about` are words that must not be the password (name, e-mail). */
  assertAcceptable(password: string, about: (string | null | undefined)[], path = 'password'): void {
    const errors = this.reasonsAgainst(password, about).map((reason) => ({ path, message: `${path} ${reason}` }));
    if (errors.length > 0) throw new Problem('password_refused', { members: { errors } });
  }

  /** Why this cannot be a password; empty when it can. */
  reasonsAgainst(password: string, about: (string | null | undefined)[]): string[] {
    const text = normalise(password);
    const lower = text.toLowerCase();
    const bytes = Buffer.byteLength(text);
    const strict = this.config.PASSWORD_POLICY === 'on';
    const rules: [broken: boolean, reason: string][] = [
      [bytes < 1, 'must not be empty'],
      [bytes > MAX_BYTES, `must have at most ${MAX_BYTES} bytes, since what follows would not count`],
      [strict && bytes < MIN_BYTES, `must have at least ${MIN_BYTES} bytes`],
      [strict && this.common.has(lower), 'is one of the most common ones'],
      [strict && about.some((word) => word?.toLowerCase() === lower), 'must not be the username or the e-mail'],
    ];
    return rules.flatMap(([broken, reason]) => (broken ? [reason] : []));
  }

  hash(password: string): Promise<string> {
    return this.inLine(() => bcrypt.hash(normalise(password), this.config.BCRYPT_COST));
  }

  /** A user without a hash, and one whose hash is of an older, lower cost, take as much work as anyone else. */
  async verify(password: string, stored: string | null | undefined): Promise<boolean> {
    const text = normalise(password);
    if (Buffer.byteLength(text) > MAX_BYTES) return false; // never stored, so never right: whoever it is
    return this.inLine(async () => {
      const target = this.config.BCRYPT_COST;
      const right = await bcrypt.compare(text, stored ?? decoy(target));
      if (right && stored) return true;
      for (const cost of paddingCosts(stored ? bcrypt.getRounds(stored) : target, target))
        await bcrypt.compare(text, decoy(cost));
      return false;
    });
  }

  /** True when the configured cost has risen since this hash was made. */
  isOutdated(stored: string): boolean {
    return bcrypt.getRounds(stored) < this.config.BCRYPT_COST;
  }

  private inLine<T>(work: () => Promise<T>): Promise<T> {
    if (this.limit.pendingCount >= this.maxWaiting) throw unavailable('busy');
    return this.limit(() => {
      if (isClientDisconnected()) throw new Problem('request_timeout');
      return work();
    });
  }
}

import { Injectable } from '@nestjs/common';
import bcrypt from 'bcrypt';
import { randomInt } from 'node:crypto';
import pLimit from 'p-limit';
import { FairQueue } from '../../common/concurrency/fair-queue.js';
import { Config } from '../../config/config.js';
import { Problem, unavailable } from '../../http/problems/problem.js';
import { isClientDisconnected } from '../../http/log/request-context.js';
import { fairShareOf } from '../../rate-limit/client-network.js';
import { MAX_PASSWORD_BYTES, normalisePassword } from './normalise-password.js';
import { parseStoredHash } from './stored-hash.js';

/** A request waits this long for a hash at most; further requests are refused with `busy`. */
const MAX_WAIT_MS = 5_000;
/** The approximate time of one hash of cost 12; each step of the cost doubles it. */
const COST_12_MS = 250;
/** Clients that were refused together come back at different times. */
const busy = () => unavailable('busy', undefined, randomInt(2, 6));

/** A well-formed hash that matches no password. Comparing with it takes as long as comparing with a real hash of this cost. */
const unmatchableHash = (cost: number): string => bcrypt.genSaltSync(cost) + '.'.repeat(31);

/**
 * The costs of further hashes that make a comparison of cost `cost` take as long as one of cost `target`. A cost of c is
 * 2^c rounds, and 2^c + (2^c + 2^(c+1) + … + 2^(target-1)) = 2^target.
 */
export const paddingCosts = (cost: number, target: number): number[] =>
  Array.from({ length: Math.max(0, target - cost) }, (_, i) => cost + i);

/**
 * Hashes and verifies passwords with bcrypt. A hash occupies a processor for about a quarter of a second, so hashes run on
 * a limited number of threads and wait in a queue, in which networks, and the users of a network, take turns. Queued hashes
 * of disconnected clients are skipped. `user` is an id or a login.
 */
@Injectable()
export class PasswordHasherService {
  private readonly queue: FairQueue;
  private readonly signIns: FairQueue;
  /** One at a time: a hash takes up to 128 MiB. */
  private readonly argon2Queue = pLimit(1);

  constructor(private readonly config: Config) {
    const concurrency = config.hashingThreads;
    const maxWaiting = (concurrency * MAX_WAIT_MS) / (COST_12_MS * 2 ** (config.BCRYPT_COST - 12));
    this.queue = new FairQueue({ concurrency, maxWaiting, onFull: busy });
    // One more than there are threads: its statements run while they hash.
    this.signIns = new FairQueue({ concurrency: concurrency + 1, maxWaiting, onFull: busy });
  }

  /**
   * Runs a whole sign-in, statements included, when it is its turn. Otherwise many sign-ins that arrive together would all send
   * their statements, before most of them wait for a hash or are refused. Throws `busy`.
   */
  admitSignIn<T>(login: string, work: () => Promise<T>): Promise<T> {
    return enqueue(this.signIns, login, work);
  }

  /** Hashes a password at the configured cost. Throws `busy`. */
  hash(password: string, user: string): Promise<string> {
    return enqueue(this.queue, user, () => bcrypt.hash(normalisePassword(password), this.config.BCRYPT_COST));
  }

  /**
   * Whether the password matches the stored hash. A failure always takes as long as a hash of the configured cost, also
   * without a stored hash (unknown user, user without a password), with one of a lower cost and with one of unknown format.
   * Otherwise the response time would reveal which users exist. Throws `busy`.
   */
  async verify(password: string, stored: string | null | undefined, user: string): Promise<boolean> {
    const text = normalisePassword(password);
    if (Buffer.byteLength(text) > MAX_PASSWORD_BYTES) return false; // never stored; independent of the user
    const known = stored ? parseStoredHash(stored) : null;
    return enqueue(this.queue, user, () =>
      known?.kind === 'argon2id' ? this.verifyArgon2(text, known.hash) : this.verifyBcrypt(text, known),
    );
  }

  /** Whether the hash was made at a lower cost than the configured one, or by an imported account's system. */
  isOutdated(stored: string): boolean {
    const known = parseStoredHash(stored);
    return known?.kind !== 'bcrypt' || known.hash !== stored || known.cost < this.config.BCRYPT_COST;
  }

  private async verifyBcrypt(text: string, known: { hash: string; cost: number } | null): Promise<boolean> {
    const target = this.config.BCRYPT_COST;
    const isMatch = await bcrypt.compare(text, known?.hash ?? unmatchableHash(target));
    if (isMatch && known) return true;
    for (const padding of paddingCosts(known?.cost ?? target, target)) {
      await bcrypt.compare(text, unmatchableHash(padding));
    }
    return false;
  }

  /** Beside a bcrypt comparison, which is the longer one, so that a failure takes as long as that of an unknown user. */
  private async verifyArgon2(text: string, hash: string): Promise<boolean> {
    const [isMatch] = await Promise.all([
      this.argon2Queue(async () => (await import('@node-rs/argon2')).verify(hash, text)),
      bcrypt.compare(text, unmatchableHash(this.config.BCRYPT_COST)),
    ]);
    return isMatch;
  }
}

function enqueue<T>(queue: FairQueue, user: string, work: () => Promise<T>): Promise<T> {
  return queue.run(fairShareOf(user), async () => {
    if (isClientDisconnected()) throw new Problem('request_timeout');
    return work();
  });
}

import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { createHash, randomBytes } from 'node:crypto';
import { type EntityManager, Repository } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problem.js';
import type { User } from '../../users/user.entity.js';
import type { VerifiedCredential } from '../verified-credential.js';
import { isRecoveryCode, stepOf } from './two-factor-codes.js';
import type { TwoFactorSignInDto } from './two-factor.dto.js';
import { TwoFactor } from './two-factor.entity.js';
import { TwoFactorService } from './two-factor.service.js';

/** How long somebody may look for their phone. */
const CHALLENGE_MS = 5 * 60_000;
/** Of one sign-in; and of one user before waits begin. */
const MAX_WRONG_CODES = 5;
const FIRST_WAIT_MS = 30_000;
const LONGEST_WAIT_MS = 15 * 60_000;

/** How long nobody may try again after so many wrong codes. A guess every 15 minutes is right once in nine years. */
export const waitAfter = (wrongCodes: number): number =>
  wrongCodes < MAX_WRONG_CODES ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (wrongCodes - MAX_WRONG_CODES));

const ISSUE = `insert into two_factor_challenges (challenge_hash, user_id, password_hash, expires_at)
  select $1::bytea, t.user_id, coalesce($3, u.password_hash), $4::timestamptz from two_factor t join users u on u.id = t.user_id
  where t.user_id = $2 and t.confirmed_at is not null and u.is_active returning expires_at`;

/** Bounded, and past rows that others are at: this is house-keeping on the way of a sign-in. */
const FORGET = `delete from two_factor_challenges where challenge_hash in (
  select challenge_hash from two_factor_challenges where expires_at <= $1 limit 100 for update skip locked)`;

/** Counts the try before its code is looked at; answers none when the sign-in is over. */
const CLAIM = `update two_factor_challenges c set wrong_codes = c.wrong_codes + 1 from users u
  where c.challenge_hash = $1 and c.wrong_codes < ${MAX_WRONG_CODES} and c.expires_at > $2
    and u.id = c.user_id and u.is_active and c.password_hash is not distinct from u.password_hash
  returning c.password_hash`;

const hashOf = (challenge: string): Buffer => createHash('sha256').update(challenge).digest();

/** The second step of signing in. */
@Injectable()
export class TwoFactorSignInService {
  constructor(
    @InjectRepository(TwoFactor) private readonly twoFactors: Repository<TwoFactor>,
    private readonly twoFactorService: TwoFactorService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /** Asks for the second step of those who have one. Raises `two_step_required`, with a challenge to answer. */
  async require({ userId, passwordHash }: VerifiedCredential): Promise<void> {
    const challenge = randomBytes(32).toString('base64url');
    const expires_at = new Date(this.clock.now() + CHALLENGE_MS);
    const issued = await this.twoFactors.query<unknown[]>(ISSUE, [hashOf(challenge), userId, passwordHash, expires_at]);
    if (issued.length === 0) return;
    await this.twoFactors.query(FORGET, [this.clock.date()]);
    throw new Problem('two_step_required', { members: { challenge, challenge_expires_at: expires_at } });
  }

  /**
   * Who answers this challenge with a right code, which counts once. Five wrong ones end the sign-in. Raises
   * `invalid_challenge`, `wrong_code`, `too_many_codes`.
   */
  async redeem({ challenge, code }: TwoFactorSignInDto): Promise<VerifiedCredential> {
    const proven = await this.twoFactors.manager.transaction((manager) =>
      this.attempt(manager, hashOf(challenge), code),
    );
    if (!proven) throw new Problem('wrong_code'); // only now: the count is committed
    return proven;
  }

  /** Null for a wrong code. */
  private async attempt(
    manager: EntityManager,
    challengeHash: Buffer,
    code: string,
  ): Promise<VerifiedCredential | null> {
    const twoFactor = await this.lock(manager, challengeHash);
    const [claimed] = await manager.query<[Pick<User, 'password_hash'>[], number]>(CLAIM, [
      challengeHash,
      this.clock.date(),
    ]);
    if (!twoFactor || !claimed[0]) throw new Problem('invalid_challenge');
    const isRight = isRecoveryCode(code)
      ? await this.useRecoveryCode(manager, twoFactor, code)
      : await this.useCode(manager, twoFactor, code);
    if (isRight) await manager.query('delete from two_factor_challenges where challenge_hash = $1', [challengeHash]);
    else
      await this.audit.write(manager, { action: 'two_step.refused', subject_id: twoFactor.user_id, succeeded: false });
    if (!isRight) return null;
    return {
      userId: twoFactor.user_id,
      passwordHash: claimed[0].password_hash ?? undefined,
      isTwoFactorVerified: true,
    };
  }

  /** One try at a time per user, whatever the challenge. Always this row first, then the challenge's: no deadlocks. */
  private lock(manager: EntityManager, challengeHash: Buffer): Promise<TwoFactor | null> {
    return manager
      .createQueryBuilder(TwoFactor, 't')
      .where('t.user_id = (select user_id from two_factor_challenges where challenge_hash = :challengeHash)', {
        challengeHash,
      })
      .setLock('pessimistic_write')
      .getOne();
  }

  /** A code of the app: the newest step only, and never twice. Wrong ones are counted over all sign-ins. */
  private async useCode(manager: EntityManager, twoFactor: TwoFactor, code: string): Promise<boolean> {
    const { user_id, blocked_until } = twoFactor;
    const now = this.clock.now();
    const wait = (blocked_until?.getTime() ?? 0) - now;
    if (wait > 0) throw new Problem('too_many_codes', { headers: { 'retry-after': String(Math.ceil(wait / 1000)) } });
    const step = stepOf(code, this.twoFactorService.secret(twoFactor), now);
    const use = `update two_factor set last_step = $2, wrong_codes = 0, blocked_until = null
      where user_id = $1 and last_step < $2 returning user_id`;
    const [used] = await manager.query<[unknown[], number]>(use, [user_id, step ?? 0]);
    if (used.length === 1) return true;
    const wrong_codes = twoFactor.wrong_codes + 1;
    await manager.update(TwoFactor, user_id, { wrong_codes, blocked_until: new Date(now + waitAfter(wrong_codes)) });
    return false;
  }

  /** Neither counted nor made to wait: nobody can guess one, and it lets the owner in past somebody who guesses codes. */
  private async useRecoveryCode(manager: EntityManager, { user_id }: TwoFactor, code: string): Promise<boolean> {
    const use = `update two_factor set recovery_hashes = array_remove(recovery_hashes, $2)
      where user_id = $1 and $2 = any (recovery_hashes) returning cardinality(recovery_hashes) as left`;
    const hashes = this.twoFactorService.recoveryHashes(user_id, [code]);
    const [used] = await manager.query<[{ left: number }[], number]>(use, [user_id, ...hashes]);
    if (!used[0]) return false;
    const event = { action: 'two_step.recovery_code_used', actor_id: user_id, subject_id: user_id } as const;
    await this.audit.write(manager, { ...event, details: { left: used[0].left } });
    return true;
  }
}

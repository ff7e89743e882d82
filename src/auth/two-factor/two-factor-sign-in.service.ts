import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { createHash, randomBytes } from 'node:crypto';
import { type EntityManager, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem } from '../../http/problems/problem.js';
import { isMethodPresent } from '../is-method-present.js';
import type { VerifiedCredential } from '../verified-credential.js';
import { TwoFactorChallenge } from './two-factor-challenge.entity.js';
import { TwoFactorVerificationService } from './two-factor-verification.service.js';
import type { TwoFactorSignInDto } from './two-factor.dto.js';
import { TwoFactor } from './two-factor.entity.js';

/** How long a challenge is valid. */
const CHALLENGE_LIFETIME_MS = 5 * 60_000;
/** Wrong codes that end a sign-in. */
const MAX_WRONG_CODES = 5;

/** Stores a challenge if the user is active and has two-factor authentication on. */
const ISSUE_CHALLENGE = `insert into two_factor_challenges
  (challenge_hash, user_id, password_hash, is_password_verified, expires_at)
  select $1::bytea, t.user_id, coalesce($3, u.password_hash), $3 is not null, $4::timestamptz
  from two_factor t join users u on u.id = t.user_id
  where t.user_id = $2 and t.confirmed_at is not null and u.is_active returning expires_at`;

/** Deletes few rows and skips locked ones, because it runs as part of a sign-in. */
const DELETE_EXPIRED = `delete from two_factor_challenges where challenge_hash in (
  select challenge_hash from two_factor_challenges where expires_at <= $1 limit 100 for update skip locked)`;

/**
 * Counts an attempt before its code is checked. No row: the challenge is expired or used up, or the user was deactivated or
 * has changed the password.
 */
const COUNT_ATTEMPT = `update two_factor_challenges c set wrong_codes = c.wrong_codes + 1 from users u
  where c.challenge_hash = $1 and c.wrong_codes < ${MAX_WRONG_CODES} and c.expires_at > $2
    and u.id = c.user_id and u.is_active and c.password_hash is not distinct from u.password_hash
  returning c.password_hash, c.is_password_verified`;

const hashOf = (challenge: string): Buffer => createHash('sha256').update(challenge).digest();

/** The second factor of a sign-in: issues challenges and verifies codes. */
@Injectable()
export class TwoFactorSignInService {
  constructor(
    @InjectRepository(TwoFactor) private readonly twoFactors: Repository<TwoFactor>,
    private readonly codes: TwoFactorVerificationService,
    private readonly clock: Clock,
  ) {}

  /**
   * Returns if the user has no two-factor authentication, or if the identity that was checked has been removed since. Throws
   * `two_step_required` with a challenge otherwise.
   */
  async require(credential: VerifiedCredential): Promise<void> {
    const challenge = randomBytes(32).toString('base64url');
    const expires_at = new Date(this.clock.now() + CHALLENGE_LIFETIME_MS);
    const values = [hashOf(challenge), credential.userId, credential.passwordHash, expires_at];
    const issued = await this.twoFactors.query<unknown[]>(ISSUE_CHALLENGE, values);
    if (issued.length === 0) return;
    await this.twoFactors.query(DELETE_EXPIRED, [this.clock.date()]);
    if (!(await this.isStillLinked(credential))) {
      await this.twoFactors.manager.delete(TwoFactorChallenge, { challenge_hash: hashOf(challenge) });
      return;
    }
    throw new Problem('two_step_required', { members: { challenge, challenge_expires_at: expires_at } });
  }

  /**
   * Verifies a code for a challenge and uses both up. Returns the credential of the user. Five wrong codes end the sign-in.
   * Throws `invalid_challenge`, `wrong_code`, `too_many_codes`.
   */
  async redeem({ challenge, code }: TwoFactorSignInDto): Promise<VerifiedCredential> {
    const credential = await this.twoFactors.manager.transaction((manager) =>
      this.verify(manager, hashOf(challenge), code),
    );
    if (!credential) throw new Problem('wrong_code'); // outside the transaction, which has committed the count
    return credential;
  }

  /** Asked once the challenge is stored, because a removal of the identity ends the challenges that it finds. */
  private async isStillLinked(credential: VerifiedCredential): Promise<boolean> {
    if (credential.identityId === undefined) return true;
    return this.twoFactors.manager.transaction((manager) => isMethodPresent(manager, credential));
  }

  /** Null for a wrong code. */
  private async verify(
    manager: EntityManager,
    challenge_hash: Buffer,
    code: string,
  ): Promise<VerifiedCredential | null> {
    const twoFactor = await this.lockTwoFactor(manager, challenge_hash);
    const now = this.clock.date();
    type Attempt = { password_hash: string | null; is_password_verified: boolean };
    const [attempt] = await returningRows<Attempt>(manager, COUNT_ATTEMPT, [challenge_hash, now]);
    if (!twoFactor || !attempt) throw new Problem('invalid_challenge');
    if (!(await this.codes.use(manager, twoFactor, code))) return null;
    await manager.delete(TwoFactorChallenge, { challenge_hash });
    const { password_hash, is_password_verified: isPasswordVerified } = attempt;
    return {
      userId: twoFactor.user_id,
      passwordHash: password_hash ?? undefined,
      isPasswordVerified,
      isTwoFactorVerified: true,
    };
  }

  /**
   * Locks the user's two-factor row, so that attempts of one user run one after the other. Always this row before the
   * challenge's row, which avoids deadlocks.
   */
  private lockTwoFactor(manager: EntityManager, challengeHash: Buffer): Promise<TwoFactor | null> {
    return manager
      .createQueryBuilder(TwoFactor, 't')
      .where('t.user_id = (select user_id from two_factor_challenges where challenge_hash = :challengeHash)', {
        challengeHash,
      })
      .setLock('pessimistic_write')
      .getOne();
  }
}

import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager, MoreThan } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { Clock } from '../common/clock.provider.js';
import { Problem, tokenProblem, validationFailed } from '../http/problems/problem.js';
import { CURRENT_PASSWORD_BACKOFF } from '../rate-limit/backoff-policies.js';
import { BackoffService } from '../rate-limit/backoff.service.js';
import { actorOf, type Caller } from '../users/caller.js';
import { PasswordChecksService } from './passwords/password-checks.service.js';
import { UsersService } from '../users/users.service.js';
import { Session } from './sessions/session.entity.js';
import type { VerifiedCredential } from './verified-credential.js';

/** The maximum age of the sign-in of a user without a password. */
const RECENT_SIGN_IN_MS = 10 * 60_000;

/** A caller, or a user who proves to be one by the password alone and has no session. */
export type Claimant = Pick<Caller, 'id'> & { session_id?: string };

/** Verifies, before a sensitive change, that the request comes from the user and not merely from a holder of the token. */
@Injectable()
export class ReauthenticationService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly passwords: PasswordChecksService,
    private readonly backoff: BackoffService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /**
   * Verifies the current password; a caller without a password must have signed in within the last ten minutes. Throws
   * `wrong_password`, `sign_in_again`, `rate_limited`, `busy`.
   */
  async verify(caller: Caller, currentPassword: string | undefined): Promise<VerifiedCredential> {
    if ((await this.users.findPasswordHash(caller.id)) === null) return this.verifyRecentSignIn(caller);
    if (currentPassword === undefined) {
      throw validationFailed([{ path: 'current_password', message: 'current_password is needed for this' }]);
    }
    return this.verifyPassword(caller, currentPassword);
  }

  /**
   * Verifies the current password of a caller, or of a user who has not signed in. Throws `wrong_password`,
   * `rate_limited`, `busy`.
   */
  async verifyPassword(caller: Claimant, password: string): Promise<VerifiedCredential> {
    const attempt = await this.backoff.reserve(CURRENT_PASSWORD_BACKOFF, caller.id);
    const passwordHash = await this.users.findPasswordHash(caller.id);
    const isCorrect = await attempt.releaseOnError(this.passwords.verify(password, passwordHash, caller.id));
    if (isCorrect) {
      await attempt.succeed();
      return { userId: caller.id, passwordHash };
    }
    await attempt.fail();
    const { manager } = this.dataSource;
    const { id, session_id } = caller;
    const actor = session_id === undefined ? {} : actorOf({ id, session_id });
    const failure = { ...actor, subject_id: caller.id };
    await this.audit.write(manager, { action: 'user.password_refused', ...failure, succeeded: false });
    if (attempt.isLockingFailure) await this.audit.write(manager, { action: 'user.locked', ...failure });
    throw new Problem('wrong_password');
  }

  /**
   * Locks the user's row and checks that neither the password nor the session has changed since the credential was
   * verified: checking a password takes a while, in which the owner may have reset it. Call it first in the transaction of
   * the sensitive change. Throws `wrong_password`.
   */
  async assertStillValid(
    manager: EntityManager,
    { id, session_id }: Claimant,
    { passwordHash }: VerifiedCredential,
  ): Promise<void> {
    const isUnchanged = (await this.users.lockPasswordHash(manager, id)) === passwordHash;
    const isSignedIn = session_id === undefined || (await manager.existsBy(Session, { id: session_id, user_id: id }));
    if (!isUnchanged || !isSignedIn) throw new Problem('wrong_password');
  }

  /** Checks that the caller's session still exists, and locks it until the transaction ends. Throws `invalid_token`. */
  async assertSession(manager: EntityManager, { session_id }: Caller): Promise<void> {
    const where = { id: session_id };
    const session = await manager.findOne(Session, { where, lock: { mode: 'pessimistic_read' } });
    if (!session) throw tokenProblem('invalid_token');
  }

  /** Checks that the caller has signed in within the last ten minutes. Throws `sign_in_again`. */
  async verifyRecentSignIn({ id, session_id }: Caller): Promise<VerifiedCredential> {
    const since = new Date(this.clock.now() - RECENT_SIGN_IN_MS);
    const isRecent = await this.dataSource.manager.existsBy(Session, { id: session_id, created_at: MoreThan(since) });
    if (!isRecent) throw new Problem('sign_in_again');
    return { userId: id, passwordHash: await this.users.findPasswordHash(id) };
  }
}

import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { Clock } from '../common/clock.provider.js';
import { Problem, tokenProblem, validationFailed } from '../http/problem.js';
import { CURRENT_PASSWORD_BACKOFF } from '../rate-limit/backoff-policies.js';
import { BackoffService } from '../rate-limit/backoff.service.js';
import { actorOf, type Caller } from '../users/caller.js';
import { PasswordsService } from './passwords/passwords.service.js';
import { User } from '../users/user.entity.js';
import type { VerifiedCredential } from './verified-credential.js';

/** How long ago somebody without a password may have signed in. */
const FRESH_MS = 10 * 60_000;

const CONFIRM = `select from users u join sessions s on s.user_id = u.id
  where u.id = $1 and s.id = $2 and u.password_hash is not distinct from $3 for update of u`;

/** Before ways to sign in change: is it still the user who holds the token? */
@Injectable()
export class ReauthenticationService {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly passwords: PasswordsService,
    private readonly backoff: BackoffService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /**
   * By the password; a user who has none must have signed in within the last ten minutes. Raises `wrong_password`,
   * `sign_in_again`, `rate_limited`.
   */
  async assert(caller: Caller, currentPassword: string | undefined): Promise<VerifiedCredential> {
    if ((await this.passwordHash(caller)) === null) return this.assertFresh(caller);
    if (currentPassword === undefined) {
      throw validationFailed([{ path: 'current_password', message: 'current_password is needed for this' }]);
    }
    return this.checkPassword(caller, currentPassword);
  }

  /**
   * Within the transaction of what it was asked for: the proof still holds, and the session has not ended meanwhile.
   * Checking a password takes a while, in which the owner may have reset it. Raises `wrong_password`.
   */
  async confirm(manager: EntityManager, caller: Caller, { passwordHash }: VerifiedCredential): Promise<void> {
    const rows = await manager.query<unknown[]>(CONFIRM, [caller.id, caller.session_id, passwordHash]);
    if (rows.length === 0) throw new Problem('wrong_password');
  }

  /** The session that asks has not ended meanwhile, and does not while this transaction runs. Raises `invalid_token`. */
  async assertSession(manager: EntityManager, { session_id }: Caller): Promise<void> {
    const rows = await manager.query<unknown[]>('select from sessions where id = $1 for share', [session_id]);
    if (rows.length === 0) throw tokenProblem('invalid_token');
  }

  /** Raises `wrong_password`, `rate_limited`. */
  async checkPassword(caller: Caller, password: string): Promise<VerifiedCredential> {
    const attempt = await this.backoff.reserve(CURRENT_PASSWORD_BACKOFF, caller.id);
    const passwordHash = await this.passwordHash(caller);
    const isCorrect = await attempt.releaseOnError(this.passwords.verify(password, passwordHash));
    if (isCorrect) {
      await attempt.succeed();
      return { userId: caller.id, passwordHash };
    }
    await attempt.fail();
    const { manager } = this.users;
    const failure = { ...actorOf(caller), subject_id: caller.id };
    await this.audit.write(manager, { action: 'user.password_refused', ...failure, succeeded: false });
    if (attempt.isLockingFailure) await this.audit.write(manager, { action: 'user.locked', ...failure });
    throw new Problem('wrong_password');
  }

  private async passwordHash({ id }: Caller): Promise<string | null> {
    const user = await this.users.findOne({ where: { id }, select: { id: true, password_hash: true } });
    return user?.password_hash ?? null;
  }

  private async assertFresh({ id, session_id }: Caller): Promise<VerifiedCredential> {
    const since = new Date(this.clock.now() - FRESH_MS);
    const fresh = 'select from sessions where id = $1 and created_at > $2';
    const rows = await this.users.manager.query<unknown[]>(fresh, [session_id, since]);
    if (rows.length === 0) throw new Problem('sign_in_again');
    return { userId: id, passwordHash: null };
  }
}

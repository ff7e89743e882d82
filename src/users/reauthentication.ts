import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Clock } from '../common/clock.js';
import { Problem, validationFailed } from '../common/problem.js';
import { CURRENT_PASSWORD, LimitsService } from '../limits/limits.service.js';
import type { CurrentUser } from './current-user.js';
import { Passwords } from './passwords.js';
import { User } from './user.entity.js';

/** How long ago somebody without a password may have signed in. */
const FRESH_MS = 10 * 60_000;

/** Before ways to sign in change: is it still the user who holds the token? */
@Injectable()
export class Reauthentication {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly passwords: Passwords,
    private readonly limits: LimitsService,
    private readonly clock: Clock,
  ) {}

  /**
   * By the password; a user who has none must have signed in within the last ten minutes. Raises `wrong_password`,
   * `sign_in_again`, `rate_limited`.
   */
  async assert(me: CurrentUser, currentPassword: string | undefined): Promise<void> {
    if ((await this.passwordHash(me)) === null) return this.assertFresh(me);
    if (currentPassword === undefined) {
      throw validationFailed([{ path: 'current_password', message: 'current_password is needed for this' }]);
    }
    await this.checkPassword(me, currentPassword);
  }

  /** Answers the hash that the password was checked against. Raises `wrong_password`, `rate_limited`. */
  async checkPassword(me: CurrentUser, password: string): Promise<string> {
    const attempt = await this.limits.attempt(CURRENT_PASSWORD, me.id);
    const stored = await this.passwordHash(me);
    const checked = await attempt.of(async () => ((await this.passwords.verify(password, stored)) ? stored : null));
    if (checked === null) throw new Problem('wrong_password');
    return checked;
  }

  private async passwordHash({ id }: CurrentUser): Promise<string | null> {
    const user = await this.users.findOne({ where: { id }, select: { id: true, password_hash: true } });
    return user?.password_hash ?? null;
  }

  private async assertFresh({ session_id }: CurrentUser): Promise<void> {
    const since = new Date(this.clock.now() - FRESH_MS);
    const fresh = 'select from sessions where id = $1 and created_at > $2';
    const rows = await this.users.manager.query<unknown[]>(fresh, [session_id, since]);
    if (rows.length === 0) throw new Problem('sign_in_again');
  }
}

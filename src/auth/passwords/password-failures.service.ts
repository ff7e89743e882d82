import { Injectable } from '@nestjs/common';
import { CURRENT_PASSWORD_BACKOFF, LOGIN_BACKOFF } from '../../rate-limit/backoff-policies.js';
import { BackoffService } from '../../rate-limit/backoff.service.js';
import { PASSWORD_CHECK_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import type { User } from '../../users/user.entity.js';
import { normaliseLogin } from '../../users/users.dto.js';

/** The counts of sign-ins and password checks of users. */
@Injectable()
export class PasswordFailuresService {
  constructor(
    private readonly backoff: BackoffService,
    private readonly quotas: QuotasService,
  ) {}

  /**
   * Resets the counts of a user, so that the user need not wait any longer. Includes the counts that another person who knew an
   * old password has used up.
   */
  async reset({ id, username, email }: Pick<User, 'id' | 'username' | 'email'>): Promise<void> {
    for (const name of [username, email]) if (name) await this.backoff.reset(LOGIN_BACKOFF, normaliseLogin(name));
    await this.backoff.reset(CURRENT_PASSWORD_BACKOFF, id);
    await this.quotas.reset(PASSWORD_CHECK_QUOTA, id);
  }
}

import { Injectable } from '@nestjs/common';
import { NETWORK_PASSWORD_CHECK_QUOTA, PASSWORD_CHECK_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService, type Refund } from '../../rate-limit/quotas.service.js';
import { PasswordHasherService } from './password-hasher.service.js';

/** Checks passwords. Correct ones use up a quota of the user and of the network; BackoffService limits wrong ones. */
@Injectable()
export class PasswordChecksService {
  constructor(
    private readonly hasher: PasswordHasherService,
    private readonly quotas: QuotasService,
  ) {}

  /**
   * Whether the password matches the stored hash. `user` is the id, or the login of an unknown user. The quotas are taken
   * before the check, so that concurrent checks cannot exceed them, and given back unless the password is correct: wrong
   * guesses must not use up the quota of the owner. Throws `rate_limited`, `busy`.
   */
  async verify(password: string, stored: string | null | undefined, user: string): Promise<boolean> {
    const refund = await this.reserve(user);
    let isCorrect = false;
    try {
      isCorrect = await this.hasher.verify(password, stored, user);
    } finally {
      if (!isCorrect) await refund();
    }
    return isCorrect;
  }

  private async reserve(user: string): Promise<Refund> {
    const refundUser = await this.quotas.reserve(PASSWORD_CHECK_QUOTA, user);
    try {
      const refundNetworks = await this.quotas.reserve(NETWORK_PASSWORD_CHECK_QUOTA);
      return async () => {
        await refundUser();
        await refundNetworks();
      };
    } catch (error) {
      await refundUser();
      throw error;
    }
  }
}

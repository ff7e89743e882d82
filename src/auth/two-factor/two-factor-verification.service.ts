import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem } from '../../http/problems/problem.js';
import { findTimeStep, isRecoveryCode } from './two-factor-codes.js';
import { TwoFactorSecrets } from './two-factor-secrets.provider.js';
import { TwoFactor } from './two-factor.entity.js';

/** Wrong codes of a user after which delays begin. */
const MAX_WRONG_CODES = 5;
const FIRST_DELAY_MS = 30_000;
const MAX_DELAY_MS = 15 * 60_000;

/** The delay after this many wrong codes in a row, in milliseconds. One guess per 15 minutes is right once in nine years. */
export const delayAfter = (wrongCodes: number): number =>
  wrongCodes < MAX_WRONG_CODES ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (wrongCodes - MAX_WRONG_CODES));

/** Marks the time step as used, unless it or a newer one was used before. */
const USE_TIME_STEP = `update two_factor set last_step = $2, wrong_codes = 0, blocked_until = null
  where user_id = $1 and last_step < $2 returning user_id`;

const USE_RECOVERY_CODE = `update two_factor set recovery_hashes = array_remove(recovery_hashes, $2)
  where user_id = $1 and $2 = any (recovery_hashes) returning cardinality(recovery_hashes) as left`;

/** Verifies app codes and recovery codes. Each code counts once. */
@Injectable()
export class TwoFactorVerificationService {
  constructor(
    private readonly secrets: TwoFactorSecrets,
    private readonly audit: AuditService,
    private readonly clock: Clock,
  ) {}

  /**
   * Uses up a code of the user, whose two-factor row must be locked. Returns false for a wrong code, which is counted: the
   * transaction must commit then. Throws `too_many_codes`.
   */
  async use(manager: EntityManager, twoFactor: TwoFactor, code: string): Promise<boolean> {
    const isCorrect = isRecoveryCode(code)
      ? await this.useRecoveryCode(manager, twoFactor, code)
      : await this.useAppCode(manager, twoFactor, code);
    if (!isCorrect) {
      const refusal = { action: 'two_step.refused', subject_id: twoFactor.user_id, succeeded: false } as const;
      await this.audit.write(manager, refusal);
    }
    return isCorrect;
  }

  /** Accepts a code of a newer time step than the last used one. Counts wrong codes over all sign-ins of the user. */
  private async useAppCode(manager: EntityManager, twoFactor: TwoFactor, code: string): Promise<boolean> {
    const { user_id, blocked_until } = twoFactor;
    const now = this.clock.now();
    const delay = (blocked_until?.getTime() ?? 0) - now;
    if (delay > 0) throw new Problem('too_many_codes', { headers: { 'retry-after': String(Math.ceil(delay / 1000)) } });
    const step = findTimeStep(code, this.secrets.decrypt(twoFactor), now);
    if (step !== null) {
      const used = await returningRows(manager, USE_TIME_STEP, [user_id, step]);
      if (used.length === 1) return true;
    }
    const wrong_codes = twoFactor.wrong_codes + 1;
    await manager.update(TwoFactor, user_id, { wrong_codes, blocked_until: new Date(now + delayAfter(wrong_codes)) });
    return false;
  }

  /** Neither counted nor delayed: recovery codes cannot be guessed, and must work while an attacker guesses app codes. */
  private async useRecoveryCode(manager: EntityManager, { user_id }: TwoFactor, code: string): Promise<boolean> {
    const values = [user_id, this.secrets.hashRecoveryCode(user_id, code)];
    const [used] = await returningRows<{ left: number }>(manager, USE_RECOVERY_CODE, values);
    if (!used) return false;
    const entry = { action: 'two_step.recovery_code_used', actor_id: user_id, subject_id: user_id } as const;
    await this.audit.write(manager, { ...entry, details: { left: used.left } });
    return true;
  }
}

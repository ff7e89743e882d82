import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, IsNull, Not, Repository } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import { TWO_FACTOR_CONFIRMATION_BACKOFF } from '../../rate-limit/backoff-policies.js';
import { BackoffService } from '../../rate-limit/backoff.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { UsersService } from '../../users/users.service.js';
import { ReauthenticationService } from '../reauthentication.service.js';
import { SecurityMailsService } from '../security-mails/security-mails.service.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { findTimeStep, newRecoveryCodes, newSecret, secretUri } from './two-factor-codes.js';
import { TwoFactorSecrets } from './two-factor-secrets.provider.js';
import { TwoFactorVerificationService } from './two-factor-verification.service.js';
import type { RecoveryCodesDto, TwoFactorChangeDto, TwoFactorDto, TwoFactorSecretDto } from './two-factor.dto.js';
import { TwoFactor } from './two-factor.entity.js';

/** Stores a secret unless two-factor authentication is on. No row: it is on. */
const STORE_UNCONFIRMED_SECRET = `insert into two_factor (user_id, secret) values ($1, $2)
  on conflict (user_id) do update set secret = excluded.secret where two_factor.confirmed_at is null returning user_id`;

/** Enables and disables two-factor authentication, and renews recovery codes. */
@Injectable()
export class TwoFactorService {
  constructor(
    @InjectRepository(TwoFactor) private readonly twoFactors: Repository<TwoFactor>,
    private readonly secrets: TwoFactorSecrets,
    private readonly users: UsersService,
    private readonly reauthentication: ReauthenticationService,
    private readonly sessions: SessionsService,
    private readonly codes: TwoFactorVerificationService,
    private readonly mails: SecurityMailsService,
    private readonly backoff: BackoffService,
    private readonly audit: AuditService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  async get(caller: Caller): Promise<TwoFactorDto> {
    const twoFactor = await this.twoFactors.findOneBy(confirmed(caller.id));
    return {
      enabled: twoFactor !== null,
      confirmed_at: twoFactor?.confirmed_at ?? null,
      recovery_codes_left: twoFactor?.recovery_hashes.length ?? 0,
    };
  }

  /**
   * Starts setup with a new secret, which replaces an unconfirmed one. Throws `two_step_on`, `wrong_password`,
   * `sign_in_again`.
   */
  async startSetup(caller: Caller, currentPassword: string | undefined): Promise<TwoFactorSecretDto> {
    const credential = await this.reauthentication.verify(caller, currentPassword);
    const secret = newSecret();
    const stored = await this.twoFactors.manager.transaction(async (manager) => {
      await this.reauthentication.assertStillValid(manager, caller, credential);
      const values = [caller.id, this.secrets.encrypt(caller.id, secret)];
      return manager.query<unknown[]>(STORE_UNCONFIRMED_SECRET, values);
    });
    if (stored.length === 0) throw new Problem('two_step_on');
    return { secret, uri: secretUri(secret, this.config.APP_NAME, caller.profile.username) };
  }

  /**
   * Enables two-factor authentication with a first code. Revokes the caller's other sessions, which were opened with one
   * factor. Wrong codes delay further attempts, because a holder of a stolen token could guess. Throws `wrong_code`,
   * `two_step_on`, `two_step_not_found`, `rate_limited`.
   */
  async confirmSetup(caller: Caller, code: string): Promise<RecoveryCodesDto> {
    const attempt = await this.backoff.reserve(TWO_FACTOR_CONFIRMATION_BACKOFF, caller.id);
    const recoveryCodes = await attempt.releaseOnError(
      this.twoFactors.manager.transaction((manager) => this.enable(manager, caller, code)),
    );
    if (!recoveryCodes) {
      await attempt.fail();
      throw new Problem('wrong_code');
    }
    await attempt.succeed();
    return { recovery_codes: recoveryCodes };
  }

  /**
   * Replaces all recovery codes. Throws `two_step_not_found`, `wrong_password`, `sign_in_again`, `wrong_code`,
   * `too_many_codes`.
   */
  async renewRecoveryCodes(caller: Caller, dto: TwoFactorChangeDto): Promise<RecoveryCodesDto> {
    const codes = newRecoveryCodes();
    const recovery_hashes = this.secrets.hashRecoveryCodes(caller.id, codes);
    await this.changeWithCode(caller, dto, async (manager) => {
      await manager.update(TwoFactor, caller.id, { recovery_hashes });
      const entry = { ...actorOf(caller), subject_id: caller.id };
      await this.audit.write(manager, { action: 'two_step.recovery_codes_made', ...entry });
      await this.mails.send(manager, caller.id, 'recovery_codes_renewed');
    });
    return { recovery_codes: codes };
  }

  /**
   * Disables the caller's two-factor authentication. Throws `two_step_not_found`, `wrong_password`, `sign_in_again`,
   * `wrong_code`, `too_many_codes`.
   */
  disable(caller: Caller, dto: TwoFactorChangeDto): Promise<void> {
    return this.changeWithCode(caller, dto, (manager) => this.remove(manager, caller, caller.id));
  }

  /** Disables a user's two-factor authentication, for administrators. Throws `two_step_not_found`. */
  async disableFor(caller: Caller, userId: string): Promise<void> {
    await this.twoFactors.manager.transaction((manager) => this.remove(manager, caller, userId));
  }

  /** Verifies a code and runs a change that the password alone does not permit. */
  private async changeWithCode(
    caller: Caller,
    { current_password, code }: TwoFactorChangeDto,
    change: (manager: EntityManager) => Promise<void>,
  ): Promise<void> {
    const credential = await this.reauthentication.verify(caller, current_password);
    const isCorrect = await this.twoFactors.manager.transaction(async (manager) => {
      await this.reauthentication.assertStillValid(manager, caller, credential);
      const lock = { mode: 'pessimistic_write' } as const;
      const twoFactor = await manager.findOne(TwoFactor, { where: confirmed(caller.id), lock });
      if (!twoFactor) throw new Problem('two_step_not_found');
      if (!(await this.codes.use(manager, twoFactor, code))) return false;
      await change(manager);
      return true;
    });
    if (!isCorrect) throw new Problem('wrong_code'); // outside the transaction, which has committed the count
  }

  /** Returns the recovery codes; null for a wrong code. Locks the user first, like `isTwoFactorOn`. */
  private async enable(manager: EntityManager, caller: Caller, code: string): Promise<string[] | null> {
    await this.users.lockForUpdate(manager, caller.id);
    await this.reauthentication.assertSession(manager, caller);
    const lock = { mode: 'pessimistic_write' } as const;
    const twoFactor = await manager.findOne(TwoFactor, { where: { user_id: caller.id }, lock });
    if (!twoFactor) throw new Problem('two_step_not_found');
    if (twoFactor.confirmed_at) throw new Problem('two_step_on');
    const last_step = findTimeStep(code, this.secrets.decrypt(twoFactor), this.clock.now());
    if (last_step === null) return null;
    const codes = newRecoveryCodes();
    const recovery_hashes = this.secrets.hashRecoveryCodes(caller.id, codes);
    await manager.update(TwoFactor, caller.id, { confirmed_at: this.clock.date(), last_step, recovery_hashes });
    await this.sessions.revokeAll(manager, caller.id, { exceptSessionId: caller.session_id });
    await this.audit.write(manager, { action: 'two_step.enabled', ...actorOf(caller), subject_id: caller.id });
    await this.mails.send(manager, caller.id, 'two_factor_enabled');
    return codes;
  }

  private async remove(manager: EntityManager, caller: Caller, userId: string): Promise<void> {
    const { affected } = await manager.delete(TwoFactor, confirmed(userId));
    if (affected === 0) throw new Problem('two_step_not_found');
    await this.audit.write(manager, { action: 'two_step.disabled', ...actorOf(caller), subject_id: userId });
    await this.mails.send(manager, userId, 'two_factor_disabled');
  }
}

const confirmed = (user_id: string) => ({ user_id, confirmed_at: Not(IsNull()) });

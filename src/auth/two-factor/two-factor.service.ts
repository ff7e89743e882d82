import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, IsNull, Not, Repository } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problem.js';
import { deriveKey, encrypt, decrypt } from '../../common/encryption.js';
import { Config } from '../../config/config.js';
import { TWO_FACTOR_CONFIRMATION_BACKOFF } from '../../rate-limit/backoff-policies.js';
import { BackoffService } from '../../rate-limit/backoff.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { ReauthenticationService } from '../reauthentication.service.js';
import { SessionsService } from '../sessions/sessions.service.js';
import type { VerifiedCredential } from '../verified-credential.js';
import { newRecoveryCodes, newSecret, recoveryHash, stepOf, uriOf } from './two-factor-codes.js';
import type { RecoveryCodesDto, TwoFactorDto, TwoFactorSecretDto } from './two-factor.dto.js';
import { TwoFactor } from './two-factor.entity.js';

/** Turning the second step on and off. */
@Injectable()
export class TwoFactorService {
  private readonly secretKey: Buffer;
  private readonly recoveryKey: Buffer;

  constructor(
    @InjectRepository(TwoFactor) private readonly twoFactors: Repository<TwoFactor>,
    private readonly reauthentication: ReauthenticationService,
    private readonly sessions: SessionsService,
    private readonly backoff: BackoffService,
    private readonly audit: AuditService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.secretKey = deriveKey(config.SECRET_KEY, 'two-step secrets');
    this.recoveryKey = deriveKey(config.SECRET_KEY, 'recovery codes');
  }

  async get(caller: Caller): Promise<TwoFactorDto> {
    const twoFactor = await this.twoFactors.findOneBy({ user_id: caller.id, confirmed_at: Not(IsNull()) });
    return {
      enabled: twoFactor !== null,
      confirmed_at: twoFactor?.confirmed_at ?? null,
      recovery_codes_left: twoFactor?.recovery_hashes.length ?? 0,
    };
  }

  /** A new secret, in place of one that was never confirmed. Raises `two_step_on`, `wrong_password`, `sign_in_again`. */
  async begin(caller: Caller, currentPassword: string | undefined): Promise<TwoFactorSecretDto> {
    const proof = await this.reauthentication.verify(caller, currentPassword);
    const secret = newSecret();
    const upsert = `insert into two_factor (user_id, secret) values ($1, $2)
      on conflict (user_id) do update set secret = excluded.secret where two_factor.confirmed_at is null returning user_id`;
    const begun = await this.twoFactors.manager.transaction(async (manager) => {
      await this.reauthentication.assertStillValid(manager, caller, proof);
      return manager.query<unknown[]>(upsert, [caller.id, encrypt(this.secretKey, secret, caller.id)]);
    });
    if (begun.length === 0) throw new Problem('two_step_on');
    return { secret, uri: uriOf(secret, this.config.APP_NAME, caller.profile.username) };
  }

  /**
   * Turns it on with a first code, and ends the caller's other sessions: those were opened without a second step. Wrong
   * codes are counted: whoever has but a token of the caller could guess. Raises `wrong_code`, `two_step_on`,
   * `two_step_not_found`, `rate_limited`.
   */
  async confirm(caller: Caller, code: string): Promise<RecoveryCodesDto> {
    const attempt = await this.backoff.reserve(TWO_FACTOR_CONFIRMATION_BACKOFF, caller.id);
    const confirmed = await attempt.releaseOnError(this.turnOn(caller, code));
    if (!confirmed) {
      await attempt.fail();
      throw new Problem('wrong_code');
    }
    await attempt.succeed();
    return confirmed;
  }

  /** Null for a wrong code. */
  private turnOn(caller: Caller, code: string): Promise<RecoveryCodesDto | null> {
    return this.twoFactors.manager.transaction(async (manager) => {
      await manager.query('select from users where id = $1 for update', [caller.id]); // see isTwoFactorOn
      const row = await manager.findOne(TwoFactor, {
        where: { user_id: caller.id },
        lock: { mode: 'pessimistic_write' },
      });
      if (!row) throw new Problem('two_step_not_found');
      if (row.confirmed_at) throw new Problem('two_step_on');
      const last_step = stepOf(code, this.secret(row), this.clock.now());
      if (last_step === null) return null;
      const codes = newRecoveryCodes();
      const recovery_hashes = this.recoveryHashes(caller.id, codes);
      await manager.update(TwoFactor, caller.id, { confirmed_at: this.clock.date(), last_step, recovery_hashes });
      await this.sessions.revokeAll(manager, caller.id, { exceptSessionId: caller.session_id });
      await this.audit.write(manager, { action: 'two_step.enabled', ...actorOf(caller), subject_id: caller.id });
      return { recovery_codes: codes };
    });
  }

  /** New recovery codes; the old ones count no more. Raises `two_step_not_found`, `wrong_password`, `sign_in_again`. */
  async renewRecoveryCodes(caller: Caller, currentPassword: string | undefined): Promise<RecoveryCodesDto> {
    const proof = await this.reauthentication.verify(caller, currentPassword);
    const codes = newRecoveryCodes();
    const recovery_hashes = this.recoveryHashes(caller.id, codes);
    await this.twoFactors.manager.transaction(async (manager) => {
      await this.reauthentication.assertStillValid(manager, caller, proof);
      const mine = { user_id: caller.id, confirmed_at: Not(IsNull()) };
      const { affected } = await manager.update(TwoFactor, mine, { recovery_hashes });
      if (affected === 0) throw new Problem('two_step_not_found');
      await this.audit.write(manager, {
        action: 'two_step.recovery_codes_made',
        ...actorOf(caller),
        subject_id: caller.id,
      });
    });
    return { recovery_codes: codes };
  }

  /** Turns the caller's off. Raises `two_step_not_found`, `wrong_password`, `sign_in_again`. */
  async removeMine(caller: Caller, currentPassword: string | undefined): Promise<void> {
    await this.remove(caller, caller.id, await this.reauthentication.verify(caller, currentPassword));
  }

  /** Turns a user's off, for administrators: phones get lost. Raises `two_step_not_found`. */
  async remove(caller: Caller, userId: string, proof?: VerifiedCredential): Promise<void> {
    await this.twoFactors.manager.transaction(async (manager) => {
      if (proof) await this.reauthentication.assertStillValid(manager, caller, proof);
      const { affected } = await manager.delete(TwoFactor, { user_id: userId, confirmed_at: Not(IsNull()) });
      if (affected === 0) throw new Problem('two_step_not_found');
      await this.audit.write(manager, { action: 'two_step.disabled', ...actorOf(caller), subject_id: userId });
    });
  }

  /** What the codes of this row are made from. */
  secret({ user_id, secret }: TwoFactor): string {
    return decrypt(this.secretKey, secret, user_id);
  }

  recoveryHashes(userId: string, codes: string[]): string[] {
    return codes.map((code) => recoveryHash(this.recoveryKey, userId, code));
  }
}

import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, IsNull, Not, Repository } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { Clock } from '../common/clock.js';
import { Problem } from '../common/problem.js';
import { derivedKey, seal, unseal } from '../common/sealing.js';
import { Config } from '../config.js';
import { CONFIRMATION, LimitsService } from '../limits/limits.service.js';
import { by, type CurrentUser } from '../users/current-user.js';
import { type Proof, Reauthentication } from '../users/reauthentication.js';
import { newRecoveryCodes, newSecret, recoveryHash, stepOf, uriOf } from './codes.js';
import type { RecoveryCodesDto, TwoStepDto, TwoStepSecretDto } from './two-step.dto.js';
import { TwoStep } from './two-step.entity.js';

/** Turning the second step on and off. */
@Injectable()
export class TwoStepService {
  private readonly secretKey: Buffer;
  private readonly recoveryKey: Buffer;

  constructor(
    @InjectRepository(TwoStep) private readonly twoSteps: Repository<TwoStep>,
    private readonly reauthentication: Reauthentication,
    private readonly limits: LimitsService,
    private readonly audit: AuditService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.secretKey = derivedKey(config, 'two-step secrets');
    this.recoveryKey = derivedKey(config, 'recovery codes');
  }

  async get(me: CurrentUser): Promise<TwoStepDto> {
    const twoStep = await this.twoSteps.findOneBy({ user_id: me.id, confirmed_at: Not(IsNull()) });
    return {
      enabled: twoStep !== null,
      confirmed_at: twoStep?.confirmed_at ?? null,
      recovery_codes_left: twoStep?.recovery_hashes.length ?? 0,
    };
  }

  /** A new secret, in place of one that was never confirmed. Raises `two_step_on`, `wrong_password`, `sign_in_again`. */
  async begin(me: CurrentUser, currentPassword: string | undefined): Promise<TwoStepSecretDto> {
    const proof = await this.reauthentication.assert(me, currentPassword);
    const secret = newSecret();
    const upsert = `insert into two_step (user_id, secret) values ($1, $2)
      on conflict (user_id) do update set secret = excluded.secret where two_step.confirmed_at is null returning user_id`;
    const begun = await this.twoSteps.manager.transaction(async (manager) => {
      await this.reauthentication.confirm(manager, me, proof);
      return manager.query<unknown[]>(upsert, [me.id, seal(this.secretKey, secret, me.id)]);
    });
    if (begun.length === 0) throw new Problem('two_step_on');
    return { secret, uri: uriOf(secret, this.config.APP_NAME, me.profile.username) };
  }

  /**
   * Turns it on with a first code, and ends the caller's other sessions: those were opened without a second step. Wrong
   * codes are counted: whoever has but a token of the caller could guess. Raises `wrong_code`, `two_step_on`,
   * `two_step_not_found`, `rate_limited`.
   */
  async confirm(me: CurrentUser, code: string): Promise<RecoveryCodesDto> {
    const attempt = await this.limits.attempt(CONFIRMATION, me.id);
    const confirmed = await attempt.of(() => this.turnOn(me, code));
    if (!confirmed) throw new Problem('wrong_code');
    return confirmed;
  }

  /** Null for a wrong code. */
  private turnOn(me: CurrentUser, code: string): Promise<RecoveryCodesDto | null> {
    return this.twoSteps.manager.transaction(async (manager) => {
      await manager.query('select from users where id = $1 for update', [me.id]); // see isOn
      const row = await manager.findOne(TwoStep, { where: { user_id: me.id }, lock: { mode: 'pessimistic_write' } });
      if (!row) throw new Problem('two_step_not_found');
      if (row.confirmed_at) throw new Problem('two_step_on');
      const last_step = stepOf(code, this.secret(row), this.clock.now());
      if (last_step === null) return null;
      const codes = newRecoveryCodes();
      const recovery_hashes = this.recoveryHashes(me.id, codes);
      await manager.update(TwoStep, me.id, { confirmed_at: this.clock.date(), last_step, recovery_hashes });
      await manager.query('delete from sessions where user_id = $1 and id <> $2', [me.id, me.session_id]);
      await this.audit.write(manager, { action: 'two_step.enabled', ...by(me), subject_id: me.id });
      return { recovery_codes: codes };
    });
  }

  /** New recovery codes; the old ones count no more. Raises `two_step_not_found`, `wrong_password`, `sign_in_again`. */
  async renewRecoveryCodes(me: CurrentUser, currentPassword: string | undefined): Promise<RecoveryCodesDto> {
    const proof = await this.reauthentication.assert(me, currentPassword);
    const codes = newRecoveryCodes();
    const recovery_hashes = this.recoveryHashes(me.id, codes);
    await this.twoSteps.manager.transaction(async (manager) => {
      await this.reauthentication.confirm(manager, me, proof);
      const mine = { user_id: me.id, confirmed_at: Not(IsNull()) };
      const { affected } = await manager.update(TwoStep, mine, { recovery_hashes });
      if (affected === 0) throw new Problem('two_step_not_found');
      await this.audit.write(manager, { action: 'two_step.recovery_codes_made', ...by(me), subject_id: me.id });
    });
    return { recovery_codes: codes };
  }

  /** Turns the caller's off. Raises `two_step_not_found`, `wrong_password`, `sign_in_again`. */
  async removeMine(me: CurrentUser, currentPassword: string | undefined): Promise<void> {
    await this.remove(me, me.id, await this.reauthentication.assert(me, currentPassword));
  }

  /** Turns a user's off, for administrators: phones get lost. Raises `two_step_not_found`. */
  async remove(me: CurrentUser, userId: string, proof?: Proof): Promise<void> {
    await this.twoSteps.manager.transaction(async (manager) => {
      if (proof) await this.reauthentication.confirm(manager, me, proof);
      const { affected } = await manager.delete(TwoStep, { user_id: userId, confirmed_at: Not(IsNull()) });
      if (affected === 0) throw new Problem('two_step_not_found');
      await this.audit.write(manager, { action: 'two_step.disabled', ...by(me), subject_id: userId });
    });
  }

  /**
   * Whether this user has a second step, as of the caller's transaction. It waits for a confirmation under way, and one
   * that comes later waits for the transaction: either this sees it, or it sees what the transaction does.
   */
  async isOn(manager: EntityManager, userId: string): Promise<boolean> {
    await manager.query('select from users where id = $1 for share', [userId]);
    return manager.existsBy(TwoStep, { user_id: userId, confirmed_at: Not(IsNull()) });
  }

  /** What the codes of this row are made from. */
  secret({ user_id, secret }: TwoStep): string {
    return unseal(this.secretKey, secret, user_id);
  }

  recoveryHashes(userId: string, codes: string[]): string[] {
    return codes.map((code) => recoveryHash(this.recoveryKey, userId, code));
  }
}

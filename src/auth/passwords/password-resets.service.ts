import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { randomInt } from 'node:crypto';
import { DataSource, type EntityManager, type FindOptionsWhere, MoreThan } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problems/problem.js';
import { deriveKey, keyedHash, newToken } from '../../common/keys/encryption.js';
import { Config } from '../../config/config.js';
import { MAILS } from '../../mail/mail-templates.js';
import { MailsService } from '../../mail/mails.service.js';
import { returningRows } from '../../database/statements/returning.js';
import type { Profile } from '../../users/profile.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { RecoveryService } from '../recovery/recovery.service.js';
import { PasswordReset } from './password-reset.entity.js';
import { PasswordChangesService } from './password-changes.service.js';
import { PasswordFailuresService } from './password-failures.service.js';
import { PasswordHasherService } from './password-hasher.service.js';
import { PasswordPolicyService } from './password-policy.service.js';
import { normaliseEmail } from '../../users/users.dto.js';
import { UsersService } from '../../users/users.service.js';
import type { ResetPasswordDto } from './password-resets.dto.js';

const MAX_CODE_ATTEMPTS = 5;
const TOKEN_LIFETIME_MS = 600_000;
/** Each request deletes up to this many expired rows, so that the table does not grow with unknown addresses. */
const MAX_DELETED_PER_REQUEST = 10;

/** A reset whose code expired before this time is of no use: a token that its code was exchanged for has expired, too. */
export const resetExpiryLimit = (now: number): Date => new Date(now - TOKEN_LIFETIME_MS);

const newCode = (): string => String(randomInt(100_000_000)).padStart(8, '0');

/** Counts an attempt and, if the code is correct, replaces it by a token. One statement, so that concurrent attempts count. */
const EXCHANGE_CODE = `update password_resets set tries_left = tries_left - 1,
    code_hash = case when code_hash = $2 then null else code_hash end,
    token_hash = case when code_hash = $2 then $3::bytea end,
    token_expires_at = case when code_hash = $2 then $4::timestamptz end
  where address_key = $1 and code_hash is not null and tries_left > 0 and expires_at > $5
  returning user_id, token_hash is not null as is_correct`;

const DELETE_EXPIRED = `delete from password_resets where address_key in (select address_key from password_resets
  where expires_at < $1 limit ${MAX_DELETED_PER_REQUEST} for update skip locked)`;

/** Sets new passwords for users who have forgotten theirs, by a code that is mailed to them. */
@Injectable()
export class PasswordResetsService {
  private readonly key: Buffer;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly mails: MailsService,
    private readonly users: UsersService,
    private readonly policy: PasswordPolicyService,
    private readonly hasher: PasswordHasherService,
    private readonly changes: PasswordChangesService,
    private readonly failures: PasswordFailuresService,
    private readonly recovery: RecoveryService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
    config: Config,
  ) {
    this.key = deriveKey(config.SECRET_KEY, 'password resets');
  }

  /**
   * Mails a code to the active user with this address. For an unknown address the same statements run, up to a mail that
   * is discarded later: neither the response nor its duration reveals whether there is an account.
   */
  async request(address: string): Promise<void> {
    const email = normaliseEmail(address);
    await this.dataSource.query(DELETE_EXPIRED, [resetExpiryLimit(this.clock.now())]);
    await this.dataSource.transaction(async (manager) => {
      const user = await this.users.findLocked(manager, { email }, 'pessimistic_read');
      const userId = user?.is_active ? user.id : null;
      await this.sendCode(manager, email, userId);
      await this.audit.write(manager, { action: 'user.password_reset_requested', subject_id: userId });
    });
  }

  /**
   * Mails a code to a user on behalf of an administrator, who does not see the code. Throws `user_not_found`,
   * `user_deactivated`, `no_email`, `too_many_mails`.
   */
  async requestFor(caller: Caller, id: string): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      const user = await this.users.findLocked(manager, { id }, 'pessimistic_read');
      if (!user) throw new Problem('user_not_found');
      if (!user.is_active) throw new Problem('user_deactivated');
      if (user.email === null) throw new Problem('no_email');
      if (!(await this.sendCode(manager, user.email, id)))
        throw new Problem('too_many_mails', { headers: { 'retry-after': '3600' } });
      await this.audit.write(manager, { action: 'user.password_reset_requested', ...actorOf(caller), subject_id: id });
    });
  }

  /** Exchanges a code for a reset token, once. Throws `invalid_code` whatever the reason. */
  async validate(address: string, code: string): Promise<string> {
    const addressKey = this.addressKey(normaliseEmail(address));
    const token = newToken();
    const now = this.clock.now();
    const isExchanged = await this.dataSource.transaction(async (manager) => {
      const [attempt] = await returningRows<{ user_id: string | null; is_correct: boolean }>(manager, EXCHANGE_CODE, [
        addressKey,
        this.codeHash(addressKey, code.replaceAll(/\s/g, '')),
        this.tokenHash(token),
        new Date(now + TOKEN_LIFETIME_MS),
        new Date(now),
      ]);
      const subject_id = attempt?.user_id ?? null;
      const succeeded = subject_id !== null && attempt?.is_correct === true;
      await this.audit.write(manager, { action: 'user.password_reset_code_tried', subject_id, succeeded });
      return succeeded;
    });
    if (!isExchanged) throw new Problem('invalid_code'); // after the commit, so that the attempt stays counted
    return token;
  }

  /**
   * Sets the new password, revokes all sessions, and removes the sign-in methods that an intruder may have added. A
   * password that is refused does not use up the token. Throws `invalid_reset_token`, `password_refused`, `busy`.
   */
  async reset({ reset_token, password }: ResetPasswordDto): Promise<void> {
    const user = await this.getByToken(reset_token);
    await this.policy.assertAcceptable(password, [user.username, user.email]);
    const passwordHash = await this.hasher.hash(password, user.id);
    await this.dataSource.transaction(async (manager) => {
      const locked = await this.users.findLocked(manager, { id: user.id }); // before the token, as in every change of a user
      const { affected } = await manager.delete(PasswordReset, this.byToken(reset_token));
      if (affected !== 1 || !locked) throw new Problem('invalid_reset_token');
      const report = await this.recovery.removeMethods(manager, locked);
      const email_verified_at = this.clock.date(); // only the owner of the mailbox can know the code
      await this.changes.replace(manager, user.id, passwordHash, { email_verified_at, pending_email: null });
      await this.mails.enqueue(manager, { kind: 'password_reset', to: locked.email, values: report });
      await this.audit.write(manager, { action: 'user.password_reset', actor_id: user.id, subject_id: user.id });
    });
    await this.failures.reset(user);
  }

  /** Removes the pending password resets of a user. */
  async removeAll(manager: EntityManager, userId: string): Promise<void> {
    await manager.delete(PasswordReset, { user_id: userId });
  }

  /** The active user for whom a reset token was issued. Throws `invalid_reset_token`. */
  private async getByToken(token: string): Promise<Profile> {
    const reset = await this.dataSource.manager.findOneBy(PasswordReset, this.byToken(token));
    if (!reset?.user_id) throw new Problem('invalid_reset_token');
    const user = await this.users.find(reset.user_id);
    if (!user?.is_active) throw new Problem('invalid_reset_token');
    return user;
  }

  private byToken(token: string): FindOptionsWhere<PasswordReset> {
    return { token_hash: this.tokenHash(token), token_expires_at: MoreThan(this.clock.date()) };
  }

  /**
   * Replaces the code of an address and mails it. False if the address has received the maximum of codes; the last code stays
   * valid.
   */
  private async sendCode(manager: EntityManager, email: string, userId: string | null): Promise<boolean> {
    const code = newCode();
    const mail = { kind: 'reset_code', to: email, values: { code }, isDiscarded: userId === null } as const;
    if (!(await this.mails.enqueue(manager, mail))) return false;
    const address_key = this.addressKey(email);
    const reset = {
      address_key,
      user_id: userId,
      code_hash: this.codeHash(address_key, code),
      tries_left: MAX_CODE_ATTEMPTS,
      expires_at: new Date(this.clock.now() + MAILS.reset_code.lifetime),
      token_hash: null,
      token_expires_at: null,
    };
    await manager.upsert(PasswordReset, reset, ['address_key']);
    return true;
  }

  private addressKey(email: string): Buffer {
    return keyedHash(this.key, 'address', email);
  }

  private codeHash(addressKey: Buffer, code: string): Buffer {
    return keyedHash(this.key, 'code', addressKey.toString('hex'), code);
  }

  private tokenHash(token: string): Buffer {
    return keyedHash(this.key, 'token', token);
  }
}

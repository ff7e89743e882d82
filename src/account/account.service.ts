import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { PasswordChangesService } from '../auth/passwords/password-changes.service.js';
import { PasswordHasherService } from '../auth/passwords/password-hasher.service.js';
import { PasswordPolicyService } from '../auth/passwords/password-policy.service.js';
import { ReauthenticationService } from '../auth/reauthentication.service.js';
import { SecurityMailsService } from '../auth/security-mails/security-mails.service.js';
import { actorOf, type Caller } from '../users/caller.js';
import { UsersService } from '../users/users.service.js';
import type { ChangePasswordDto } from './account.dto.js';

/** Changes the caller's password and deletes the caller's account. */
@Injectable()
export class AccountService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly policy: PasswordPolicyService,
    private readonly hasher: PasswordHasherService,
    private readonly passwordChanges: PasswordChangesService,
    private readonly reauthentication: ReauthenticationService,
    private readonly audit: AuditService,
    private readonly mails: SecurityMailsService,
  ) {}

  /**
   * Changes the caller's password and revokes all sessions, the caller's included. Throws `wrong_password`,
   * `password_refused`, `rate_limited`, `busy`.
   */
  async changePassword(caller: Caller, { current_password, new_password }: ChangePasswordDto): Promise<void> {
    await this.policy.assertAcceptable(new_password, [caller.profile.username, caller.profile.email], 'new_password');
    const credential = await this.reauthentication.verifyPassword(caller, current_password);
    const passwordHash = await this.hasher.hash(new_password, caller.id);
    await this.dataSource.transaction(async (manager) => {
      await this.reauthentication.assertStillValid(manager, caller, credential);
      await this.passwordChanges.replace(manager, caller.id, passwordHash);
      await this.mails.send(manager, caller.id, 'password_changed');
      await this.audit.write(manager, { action: 'user.password_changed', ...actorOf(caller), subject_id: caller.id });
    });
  }

  /** Deletes the caller's account. Throws `wrong_password`, `last_administrator`, `rate_limited`, `busy`. */
  async remove(caller: Caller, password: string): Promise<void> {
    const credential = await this.reauthentication.verifyPassword(caller, password);
    await this.dataSource.transaction(async (manager) => {
      await this.reauthentication.assertStillValid(manager, caller, credential);
      await this.users.remove(manager, caller.id);
      await this.audit.write(manager, { action: 'user.deleted', ...actorOf(caller), subject_id: caller.id });
    });
  }
}

import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { PasswordChangesService } from '../auth/passwords/password-changes.service.js';
import { PasswordFailuresService } from '../auth/passwords/password-failures.service.js';
import { PasswordHasherService } from '../auth/passwords/password-hasher.service.js';
import { SecurityMailsService } from '../auth/security-mails.service.js';
import { Problem } from '../http/problems/problem.js';
import { rightsOf } from '../permissions/permissions.js';
import type { Profile } from '../users/profile.js';
import { normaliseLogin } from '../users/users.dto.js';
import { UsersService } from '../users/users.service.js';

/** A password of 120 random bits. */
export const newPassword = (): string => randomBytes(15).toString('base64url');

/** What the operator of the machine does to administrators, without a session. */
@Injectable()
export class AdministratorsService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly hasher: PasswordHasherService,
    private readonly changes: PasswordChangesService,
    private readonly failures: PasswordFailuresService,
    private readonly mails: SecurityMailsService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Gives an active administrator a new password, which is returned. Ends their sessions and the waiting time after failed
   * sign-ins. Passkeys and two-factor authentication stay. Throws `user_not_found`, `forbidden` for other users.
   */
  async resetPassword(login: string): Promise<{ username: string; password: string }> {
    const user = await this.getAdministrator(login);
    const password = newPassword();
    const passwordHash = await this.hasher.hash(password, user.id);
    await this.dataSource.transaction(async (manager) => {
      await this.users.lockForUpdate(manager, user.id);
      await this.changes.replace(manager, user.id, passwordHash);
      await this.mails.send(manager, user.id, 'password_changed');
      const details = { by: 'operator' };
      await this.audit.write(manager, { action: 'user.password_reset', subject_id: user.id, details });
    });
    await this.failures.reset(user);
    return { username: user.username, password };
  }

  private async getAdministrator(login: string): Promise<Profile> {
    const credentials = await this.users.findCredentials(normaliseLogin(login));
    if (!credentials) throw new Problem('user_not_found');
    const user = await this.users.get(credentials.id);
    if (!user.is_active || !rightsOf(user.groups).permissions.admin) {
      throw new Problem('forbidden', { detail: `${user.username} is not an active administrator.` });
    }
    return user;
  }
}

import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { PasswordChangesService } from '../auth/passwords/password-changes.service.js';
import { PasswordFailuresService } from '../auth/passwords/password-failures.service.js';
import { PasswordHasherService } from '../auth/passwords/password-hasher.service.js';
import { SecurityMailsService } from '../auth/security-mails/security-mails.service.js';
import { GroupsService } from '../groups/groups.service.js';
import { Problem } from '../http/problems/problem.js';
import { rightsOf } from '../permissions/permissions.js';
import type { Profile } from '../users/profile.js';
import { type CreateUserDto, normaliseLogin } from '../users/users.dto.js';
import { UsersService } from '../users/users.service.js';
import { EmailVerificationsService } from './email/email-verifications.service.js';

/** A password of 120 random bits. */
export const newPassword = (): string => randomBytes(15).toString('base64url');

/** What the operator of the machine does to accounts, without a session. */
@Injectable()
export class OperatorService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly groups: GroupsService,
    private readonly verifications: EmailVerificationsService,
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

  /**
   * Creates an administrator with a new password, which is returned. An e-mail address gets a link that verifies it. Throws
   * `username_taken`, `email_taken`.
   */
  async createAdministrator(
    dto: Pick<CreateUserDto, 'username' | 'fullname' | 'email'>,
  ): Promise<{ username: string; password: string }> {
    const { username, fullname, email = null } = dto;
    await this.users.assertAvailable(dto);
    const password = newPassword();
    const user = { username, fullname, email, id: uuidv7(), password_hash: await this.hasher.hash(password, username) };
    await this.dataSource.transaction(async (manager) => {
      if (!(await this.users.insert(manager, user))) throw new Problem('username_taken');
      const group_id = await this.groups.insertAdministrator(manager, user.id);
      const details = { by: 'operator' };
      await this.audit.writeAll(manager, [
        { action: 'user.created', subject_id: user.id, details },
        { action: 'group.member_added', subject_id: user.id, details: { ...details, group_id } },
      ]);
      await this.verifications.send(manager, user.id, email);
    });
    return { username, password };
  }

  /** Forgets the failed sign-ins of a user, who then need not wait any longer. Throws `user_not_found`. */
  async unlock(login: string): Promise<{ username: string }> {
    const user = await this.getUser(login);
    await this.failures.reset(user);
    const details = { by: 'operator' };
    await this.audit.write(this.dataSource.manager, { action: 'user.unlocked', subject_id: user.id, details });
    return { username: user.username };
  }

  private async getAdministrator(login: string): Promise<Profile> {
    const user = await this.getUser(login);
    if (!user.is_active || !rightsOf(user.groups).permissions.admin) {
      throw new Problem('forbidden', { detail: `${user.username} is not an active administrator.` });
    }
    return user;
  }

  private async getUser(login: string): Promise<Profile> {
    const credentials = await this.users.findCredentials(normaliseLogin(login));
    if (!credentials) throw new Problem('user_not_found');
    return this.users.get(credentials.id);
  }
}

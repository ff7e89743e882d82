import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { PasswordHasherService } from '../auth/passwords/password-hasher.service.js';
import { PasswordPolicyService } from '../auth/passwords/password-policy.service.js';
import { Problem } from '../http/problems/problem.js';
import type { Profile } from '../users/profile.js';
import type { CreateUserDto } from '../users/users.dto.js';
import { type NewUser, UsersService } from '../users/users.service.js';
import { EmailVerificationsService } from './email/email-verifications.service.js';

/** Registers users. */
@Injectable()
export class RegistrationService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly policy: PasswordPolicyService,
    private readonly hasher: PasswordHasherService,
    private readonly verifications: EmailVerificationsService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Registers a user and mails a verification link to the e-mail address. `nid` is the national id of users of the vaccine
   * registration. Throws `username_taken`, `email_taken`, `password_refused`, `busy`.
   */
  async register({ password, ...dto }: CreateUserDto & { nid?: string }): Promise<Profile> {
    await this.policy.assertAcceptable(password, [dto.username, dto.email]);
    await this.users.assertAvailable(dto); // before the expensive hash
    const user = { ...dto, id: uuidv7(), password_hash: await this.hasher.hash(password, dto.username) };
    if (!(await this.insert(user))) {
      await this.users.assertAvailable(dto); // names the field that a concurrent request has taken
      throw new Problem('username_taken');
    }
    return this.users.get(user.id);
  }

  /** False when a concurrent request has taken the username or the e-mail address. */
  private insert(user: NewUser): Promise<boolean> {
    return this.dataSource.transaction(async (manager) => {
      if (!(await this.users.insert(manager, user))) return false;
      await this.audit.write(manager, { action: 'user.created', actor_id: user.id, subject_id: user.id });
      await this.verifications.send(manager, user.id, user.email ?? null);
      return true;
    });
  }
}

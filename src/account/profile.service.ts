import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { PasswordResetsService } from '../auth/passwords/password-resets.service.js';
import { ReauthenticationService } from '../auth/reauthentication.service.js';
import { SessionsService } from '../auth/sessions/sessions.service.js';
import type { VerifiedCredential } from '../auth/verified-credential.js';
import { Problem, validationFailed } from '../http/problem.js';
import { MailsService } from '../mail/mails.service.js';
import { actorOf, type Caller } from '../users/caller.js';
import type { Profile } from '../users/profile.js';
import { UsersService } from '../users/users.service.js';
import type { UpdateMeDto } from './account.dto.js';
import { EmailVerificationsService } from './email-verifications.service.js';

/** Changes the caller's own profile. */
@Injectable()
export class ProfileService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly reauthentication: ReauthenticationService,
    private readonly sessions: SessionsService,
    private readonly resets: PasswordResetsService,
    private readonly verifications: EmailVerificationsService,
    private readonly mails: MailsService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Changes the caller's profile. A new e-mail address needs the current password, because it can reset the password, and
   * revokes all sessions. Throws `wrong_password`, `username_taken`, `email_taken`, `rate_limited`, `busy`.
   */
  async update(caller: Caller, dto: UpdateMeDto): Promise<Profile> {
    const credential = await this.verify(caller, dto);
    await this.dataSource.transaction((manager) => this.updateWithin(manager, caller, dto, credential));
    return this.users.get(caller.id);
  }

  /**
   * Checks the current password if the e-mail address changes; undefined if no password is needed. Checking takes a
   * while, so call it before the transaction. Throws `wrong_password`, `rate_limited`, `busy`.
   */
  async verify(caller: Caller, { email, current_password }: UpdateMeDto): Promise<VerifiedCredential | undefined> {
    if (email === undefined || email === caller.profile.email) return undefined;
    if (current_password === undefined) {
      const message = 'current_password is needed to change the e-mail';
      throw validationFailed([{ path: 'current_password', message }]);
    }
    return this.reauthentication.verifyPassword(caller, current_password);
  }

  /**
   * Changes the caller's profile in the transaction of `manager`, so that other changes can be part of it. `credential` is
   * the result of `verify`. Throws `wrong_password`, `username_taken`, `email_taken`.
   */
  async updateWithin(
    manager: EntityManager,
    caller: Caller,
    dto: UpdateMeDto,
    credential: VerifiedCredential | undefined,
  ): Promise<void> {
    const changes = { ...dto };
    delete changes.current_password;
    if (credential) await this.reauthentication.assertStillValid(manager, caller, credential);
    const { email: oldEmail } = await this.users.lockForUpdate(manager, caller.id);
    const isNewEmail = changes.email !== undefined && changes.email !== oldEmail;
    if (isNewEmail && !credential) throw new Problem('wrong_password'); // another request has changed it since
    await this.users.update(manager, caller.id, isNewEmail ? { ...changes, email_verified_at: null } : changes);
    await this.audit.write(manager, {
      action: credential ? 'user.email_changed' : 'user.changed',
      ...actorOf(caller),
      subject_id: caller.id,
      details: { fields: Object.keys(changes) },
    });
    if (!isNewEmail) return;
    await this.sessions.revokeAll(manager, caller.id);
    await this.resets.removeAll(manager, caller.id);
    await this.verifications.remove(manager, caller.id);
    const values = this.mails.securityContext();
    await this.mails.enqueue(manager, { kind: 'email_changed', to: oldEmail, values });
    await this.verifications.send(manager, { id: caller.id, email: changes.email ?? null });
  }
}

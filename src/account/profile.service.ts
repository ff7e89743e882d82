import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { AuditAction } from '../audit/audit.actions.js';
import { AuditService } from '../audit/audit.service.js';
import { ReauthenticationService } from '../auth/reauthentication.service.js';
import type { VerifiedCredential } from '../auth/verified-credential.js';
import { changedValues } from '../common/changes.js';
import { Problem } from '../http/problems/problem.js';
import { NETWORK_EMAIL_CHANGE_QUOTA, USER_EMAIL_CHANGE_QUOTA } from '../rate-limit/quotas.js';
import { QuotasService } from '../rate-limit/quotas.service.js';
import { actorOf, type Caller } from '../users/caller.js';
import type { Profile } from '../users/profile.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import type { UpdateMeDto } from './account.dto.js';
import { EmailChangesService } from './email/email-changes.service.js';
import { EmailVerificationsService } from './email/email-verifications.service.js';

/** Changes the caller's own profile. */
@Injectable()
export class ProfileService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly reauthentication: ReauthenticationService,
    private readonly changes: EmailChangesService,
    private readonly verifications: EmailVerificationsService,
    private readonly quotas: QuotasService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Changes the caller's profile. A new e-mail address needs the current password, because it can reset the password, and
   * waits for its confirmation from the new mailbox. Throws `wrong_password`, `sign_in_again`, `username_taken`,
   * `rate_limited`, `busy`.
   */
  async update(caller: Caller, dto: UpdateMeDto): Promise<Profile> {
    const credential = await this.verify(caller, dto);
    await this.dataSource.transaction((manager) => this.updateWithin(manager, caller, dto, credential));
    return this.users.get(caller.id);
  }

  /**
   * Checks the current password if the e-mail address changes, and counts the change; undefined if no password is needed.
   * Checking takes a while, so call it before the transaction. Throws `wrong_password`, `sign_in_again`, `rate_limited`,
   * `busy`.
   */
  async verify(caller: Caller, { email, current_password }: UpdateMeDto): Promise<VerifiedCredential | undefined> {
    if (email === undefined || email === caller.profile.email) return undefined;
    const credential = await this.reauthentication.verify(caller, current_password);
    if (email !== null) {
      await this.quotas.consume(USER_EMAIL_CHANGE_QUOTA, caller.id);
      await this.quotas.consume(NETWORK_EMAIL_CHANGE_QUOTA);
    }
    return credential;
  }

  /**
   * Changes the caller's profile in the transaction of `manager`, so that other changes can be part of it. `credential` is
   * the result of `verify`. Throws `wrong_password`, `username_taken`.
   */
  async updateWithin(
    manager: EntityManager,
    caller: Caller,
    { email, ...dto }: UpdateMeDto,
    credential: VerifiedCredential | undefined,
  ): Promise<void> {
    const changes = { ...dto };
    delete changes.current_password;
    if (credential) await this.reauthentication.assertStillValid(manager, caller, credential);
    const user = await this.users.lockForUpdate(manager, caller.id);
    const changed = changedValues<typeof changes>(user, changes);
    const isEmailChange = email !== undefined && (email !== user.email || user.pending_email !== null);
    const fields = [...Object.keys(changed), ...(isEmailChange ? ['email'] : [])];
    if (fields.length === 0) return; // no change, no audit event
    const entry = { ...actorOf(caller), subject_id: caller.id, details: { fields } };
    if (Object.keys(changed).length > 0) await this.users.update(manager, caller.id, changed);
    const action = isEmailChange ? await this.updateEmail(manager, user, email, credential) : 'user.changed';
    await this.audit.write(manager, { action, ...entry });
  }

  /** Removes the address or requests its change. The response does not reveal whether another user has the new address. */
  private async updateEmail(
    manager: EntityManager,
    user: User,
    email: string | null,
    credential: VerifiedCredential | undefined,
  ): Promise<AuditAction> {
    if (email === user.email) {
      await this.users.update(manager, user.id, { pending_email: null });
      return 'user.changed';
    }
    if (!credential) throw new Problem('wrong_password'); // another request has changed it since
    if (email === null) {
      await this.changes.remove(manager, user);
      return 'user.email_changed';
    }
    await this.users.update(manager, user.id, { pending_email: email });
    await this.verifications.send(manager, user.id, email);
    return 'user.email_change_requested';
  }
}

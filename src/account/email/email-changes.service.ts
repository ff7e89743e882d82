import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { PasswordResetsService } from '../../auth/passwords/password-resets.service.js';
import { MethodRemovalLinksService } from '../../auth/recovery/method-removal-links.service.js';
import { SessionsService } from '../../auth/sessions/sessions.service.js';
import { MailsService } from '../../mail/mails.service.js';
import type { User } from '../../users/user.entity.js';
import { UsersService } from '../../users/users.service.js';

/** A user whose row is locked until the transaction ends. */
type LockedUser = Pick<User, 'id' | 'email' | 'email_verified_at'>;

/** Replaces and removes e-mail addresses. Users sign in with the address, so a change revokes sessions and password resets. */
@Injectable()
export class EmailChangesService {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly resets: PasswordResetsService,
    private readonly removalLinks: MethodRemovalLinksService,
    private readonly mails: MailsService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Stores a new address, which the user has proved. Removes it from a user who has it unverified. Throws `email_taken`.
   */
  async replace(manager: EntityManager, user: LockedUser, email: string): Promise<void> {
    const holderId = await this.users.removeUnverifiedEmail(manager, email);
    if (holderId !== null) await this.recordRemoval(manager, holderId);
    await this.store(manager, user, email);
    await this.users.setEmailVerified(manager, user.id);
    await this.audit.write(manager, { action: 'user.email_changed', actor_id: user.id, subject_id: user.id });
  }

  /** Removes the address on behalf of the user. */
  async remove(manager: EntityManager, user: LockedUser): Promise<void> {
    await this.store(manager, user, null);
  }

  /** Removes an unverified address on behalf of the owner of the mailbox, who is not the user. */
  async disown(manager: EntityManager, user: LockedUser): Promise<void> {
    await this.store(manager, user, null);
    await this.recordRemoval(manager, user.id);
  }

  private async store(manager: EntityManager, user: LockedUser, email: string | null): Promise<void> {
    await this.users.update(manager, user.id, { email, email_verified_at: null, pending_email: null });
    await this.sessions.revokeAll(manager, user.id);
    await this.resets.removeAll(manager, user.id);
    await this.removalLinks.remove(manager, user.id); // mailed to the old address
    const to = user.email_verified_at === null ? null : user.email;
    await this.mails.enqueue(manager, { kind: 'email_changed', to, values: this.mails.securityContext() });
  }

  private async recordRemoval(manager: EntityManager, subject_id: string): Promise<void> {
    await this.audit.write(manager, { action: 'user.email_disowned', subject_id });
  }
}

import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { MailsService } from '../../mail/mails.service.js';
import { type UserChanges, UsersService } from '../../users/users.service.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { PasswordReset } from './password-reset.entity.js';

/** Stores a new password and ends everything that the old one gave access to. */
@Injectable()
export class PasswordChangesService {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly mails: MailsService,
  ) {}

  /**
   * Stores the hash of a new password, revokes all sessions and pending password resets, and informs the user by mail. The
   * transaction must hold the lock of the user's row. `changes` are further columns to set.
   */
  async replace(
    manager: EntityManager,
    userId: string,
    passwordHash: string,
    changes: Pick<UserChanges, 'email_verified_at'> = {},
  ): Promise<void> {
    await this.users.update(manager, userId, { ...changes, password_hash: passwordHash });
    await this.sessions.revokeAll(manager, userId);
    await manager.delete(PasswordReset, { user_id: userId });
    const { email } = await this.users.lockForUpdate(manager, userId);
    await this.mails.enqueue(manager, { kind: 'password_changed', to: email, values: this.mails.securityContext() });
  }
}

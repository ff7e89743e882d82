import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull } from 'typeorm';
import { type UserChanges, UsersService } from '../../users/users.service.js';
import { PasskeyChallenge } from '../passkeys/passkey-challenge.entity.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { TwoFactor } from '../two-factor/two-factor.entity.js';
import { PasswordReset } from './password-reset.entity.js';

/** Ends what a module lets a user do without a session, in the transaction of a new password. */
type ReplacedListener = (manager: EntityManager, userId: string) => Promise<void>;

/** Stores a new password and ends everything that the old one gave access to. */
@Injectable()
export class PasswordChangesService {
  private readonly listeners: ReplacedListener[] = [];

  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
  ) {}

  /** For modules with credentials of their own, which an intruder may have created. To be called in a constructor. */
  onReplaced(listener: ReplacedListener): void {
    this.listeners.push(listener);
  }

  /**
   * Stores the hash of a new password, revokes all sessions, and ends password resets, setups of sign-in methods that
   * were started with the old password, and the credentials of other modules. The transaction must hold the lock of the user's row. `changes` are further
   * columns to set.
   */
  async replace(
    manager: EntityManager,
    userId: string,
    passwordHash: string,
    changes: Pick<UserChanges, 'email_verified_at' | 'pending_email'> = {},
  ): Promise<void> {
    await this.users.update(manager, userId, { ...changes, password_hash: passwordHash });
    await this.sessions.revokeAll(manager, userId);
    await manager.delete(PasswordReset, { user_id: userId });
    await manager.delete(TwoFactor, { user_id: userId, confirmed_at: IsNull() });
    await manager.delete(PasskeyChallenge, { user_id: userId });
    for (const listener of this.listeners) await listener(manager, userId);
  }
}

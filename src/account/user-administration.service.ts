import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { PasswordFailuresService } from '../auth/passwords/password-failures.service.js';
import { changedValues } from '../common/changes.js';
import { PasswordResetsService } from '../auth/passwords/password-resets.service.js';
import { SessionsService } from '../auth/sessions/sessions.service.js';
import { actorOf, type Caller } from '../users/caller.js';
import type { Profile } from '../users/profile.js';
import { UsersService } from '../users/users.service.js';
import type { UpdateUserDto } from './account.dto.js';

/** Changes users on behalf of administrators. */
@Injectable()
export class UserAdministrationService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly resets: PasswordResetsService,
    private readonly failures: PasswordFailuresService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Renames, deactivates or reactivates a user. Deactivating revokes all sessions and password resets. A change that changes
   * nothing is audited as a read: it returns the account. Throws `user_not_found`, `username_taken`, `last_administrator`.
   */
  async update(caller: Caller, id: string, changes: UpdateUserDto): Promise<Profile> {
    const isChanged = await this.dataSource.transaction(async (manager) => {
      const changed = changedValues<UpdateUserDto>(await this.users.lockForUpdate(manager, id), changes);
      if (Object.keys(changed).length === 0) return false;
      await this.users.update(manager, id, changed);
      if (changed.is_active === false) {
        await this.sessions.revokeAll(manager, id);
        await this.resets.removeAll(manager, id);
      }
      await this.audit.write(manager, {
        action: actionOf(changed),
        ...actorOf(caller),
        subject_id: id,
        details: { fields: Object.keys(changed) },
      });
      return true;
    });
    return isChanged ? this.users.get(id) : this.users.getFor(caller, id);
  }

  /** Deletes a user. Throws `user_not_found`, `last_administrator`. */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await this.users.remove(manager, id);
      await this.audit.write(manager, { action: 'user.deleted', ...actorOf(caller), subject_id: id });
    });
  }

  /** Resets the failed sign-ins of a user, so that the user need not wait any longer. Throws `user_not_found`. */
  async unlock(caller: Caller, id: string): Promise<void> {
    await this.failures.reset(await this.users.get(id));
    await this.audit.write(this.dataSource.manager, { action: 'user.unlocked', ...actorOf(caller), subject_id: id });
  }
}

function actionOf({ is_active }: UpdateUserDto): 'user.changed' | 'user.reactivated' | 'user.deactivated' {
  if (is_active === undefined) return 'user.changed';
  return is_active ? 'user.reactivated' : 'user.deactivated';
}

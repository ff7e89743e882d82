import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Clock } from '../common/clock.provider.js';
import { ConfigError } from '../config/config-error.js';
import { Config } from '../config/config.js';
import { ADVISORY_LOCKS } from '../database/advisory-locks.js';
import { PasswordsService } from '../auth/passwords/passwords.service.js';
import { User } from '../users/user.entity.js';
import { GroupMember } from '../groups/group-member.entity.js';
import { Group } from '../groups/group.entity.js';

@Injectable()
export class FirstAdministratorService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly config: Config,
    private readonly passwords: PasswordsService,
    private readonly clock: Clock,
  ) {}

  /**
   * On a database without users, makes the administrator. Returns the password when it was made up here: nobody will
   * learn it later. Raises ConfigError when the configured one is unacceptable.
   */
  async ensure(): Promise<string | undefined> {
    if (await this.dataSource.getRepository(User).exists()) return undefined;
    const password = this.config.ADMIN_PASSWORD ?? randomBytes(15).toString('base64url');
    const reasons = this.passwords.reasonsAgainst(password, [this.config.ADMIN_USERNAME]);
    if (reasons.length > 0)
      throw new ConfigError(reasons.map((reason) => `ADMIN_PASSWORD ${reason}: choose another one.`));
    const made = await this.create(await this.passwords.hash(password));
    return made && this.config.ADMIN_PASSWORD === undefined ? password : undefined;
  }

  private create(password_hash: string): Promise<boolean> {
    const now = this.clock.date();
    const times = { created_at: now, updated_at: now };
    return this.dataSource.transaction(async (manager) => {
      await manager.query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCKS.administrators]);
      if (await manager.existsBy(User, {})) return false; // another process was faster
      const user_id = uuidv7();
      const group_id = uuidv7();
      const username = this.config.ADMIN_USERNAME;
      await manager.insert(User, { id: user_id, username, fullname: 'Administrator', password_hash, ...times });
      await manager.insert(Group, { id: group_id, name: 'Administrators', permissions: ['admin'], ...times });
      await manager.insert(GroupMember, { group_id, user_id, created_at: now });
      return true;
    });
  }
}

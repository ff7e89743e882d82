import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { PasswordHasherService } from '../auth/passwords/password-hasher.service.js';
import { PasswordPolicyService } from '../auth/passwords/password-policy.service.js';
import { ConfigError } from '../config/config-error.js';
import { Config } from '../config/config.js';
import { ADVISORY_LOCKS } from '../database/advisory-locks.js';
import { GroupsService } from '../groups/groups.service.js';
import { UsersService } from '../users/users.service.js';
import { newPassword } from './operator.service.js';

/** Creates the first administrator of a new database. */
@Injectable()
export class FirstAdministratorService {
  private readonly log = new Logger('FirstAdministrator');

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly config: Config,
    private readonly policy: PasswordPolicyService,
    private readonly hasher: PasswordHasherService,
    private readonly users: UsersService,
    private readonly groups: GroupsService,
  ) {}

  /**
   * Creates an administrator if the database has no users; otherwise warns if no administrator can sign in. Returns the
   * password if it was generated, so that the caller can show it once. Throws ConfigError when the configured password does
   * not satisfy the password policy.
   */
  async ensure(): Promise<string | undefined> {
    if (await this.users.exists()) {
      await this.warnIfNoneCanSignIn();
      return undefined;
    }
    const { ADMIN_USERNAME, ADMIN_PASSWORD } = this.config;
    const password = ADMIN_PASSWORD ?? newPassword();
    const errors = await this.policy.findErrors(password, [ADMIN_USERNAME]);
    if (errors.length > 0) throw new ConfigError(errors.map((error) => `ADMIN_PASSWORD ${error}: choose another one.`));
    const isCreated = await this.create(await this.hasher.hash(password, this.config.ADMIN_USERNAME));
    return isCreated && ADMIN_PASSWORD === undefined ? password : undefined;
  }

  private async warnIfNoneCanSignIn(): Promise<void> {
    if (await this.groups.hasAdministratorWhoCanSignIn()) return;
    this.log.warn(
      'No administrator can sign in: none that is active has a password, a passkey or an identity of a configured issuer. See "No administrator can sign in" in docs/operations.md.',
    );
  }

  /** False when another process has created the first user in the meantime. */
  private create(password_hash: string): Promise<boolean> {
    const id = uuidv7();
    return this.dataSource.transaction(async (manager) => {
      await manager.query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCKS.administrators]);
      if (await this.users.exists(manager)) return false;
      const names = { username: this.config.ADMIN_USERNAME, fullname: 'Administrator' };
      await this.users.insert(manager, { id, ...names, password_hash });
      await this.groups.insertWithMember(manager, { name: 'Administrators', permissions: ['admin'] }, id);
      return true;
    });
  }
}

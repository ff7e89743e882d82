import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { toLine } from '../../common/text.js';
import { Clock } from '../../common/clock.provider.js';
import { LOCK_EXTERNAL_IDENTITY } from '../../database/advisory-locks.js';
import { insertOrIgnore } from '../../database/statements/insert-or-ignore.js';
import { returningRows } from '../../database/statements/returning.js';
import { GroupsService } from '../../groups/groups.service.js';
import { Problem, unavailable } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { MAX_FULLNAME, USERNAME } from '../../users/users.dto.js';
import { UsersService } from '../../users/users.service.js';
import { ReauthenticationService } from '../reauthentication.service.js';
import { SecurityMailsService } from '../security-mails/security-mails.service.js';
import type { VerifiedCredential } from '../verified-credential.js';
import { ExternalIdentity } from './external-identity.entity.js';
import type { Identity } from './identity-provider.js';

/** Finds an identity and marks it as used, in one statement. */
const USE_IDENTITY = `update external_identities set last_used_at = $3 where issuer = $1 and subject = $2
  returning id, user_id`;

const MAX_INSERT_ATTEMPTS = 5;

/** An identity and its user. */
type LinkedIdentity = Pick<ExternalIdentity, 'id' | 'user_id'>;

/** Maps external identities to users. */
@Injectable()
export class ExternalAccountsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly groups: GroupsService,
    private readonly reauthentication: ReauthenticationService,
    private readonly audit: AuditService,
    private readonly mails: SecurityMailsService,
    private readonly clock: Clock,
  ) {}

  /** Returns an identity with the id of its user. Creates both once, however many requests arrive at once. */
  async findOrCreate(identity: Identity): Promise<LinkedIdentity> {
    const found = await this.use(this.dataSource.manager, identity);
    return found ?? this.dataSource.transaction((manager) => this.linkOrCreateUser(manager, identity));
  }

  /** Links an identity to the caller. Null if it is linked already, to the caller or to another user. */
  link(caller: Caller, identity: Identity, credential: VerifiedCredential): Promise<ExternalIdentity | null> {
    return this.dataSource.transaction(async (manager) => {
      await this.lock(manager, identity);
      await this.reauthentication.assertStillValid(manager, caller, credential);
      const linked = await this.insert(manager, identity, caller.id);
      if (!linked) return null;
      const details = { identity_id: linked.id, issuer: linked.issuer, is_new_user: false };
      const entry = { ...actorOf(caller), subject_id: caller.id, details };
      await this.audit.write(manager, { action: 'identity.linked', ...entry });
      await this.mails.send(manager, caller.id, 'identity_linked');
      return linked;
    });
  }

  /** Serialises transactions that link this identity: a later one finds the row of an earlier one. */
  private async lock(manager: EntityManager, { issuer, subject }: Identity): Promise<void> {
    await manager.query(LOCK_EXTERNAL_IDENTITY, [`${issuer} ${subject}`]);
  }

  private async linkOrCreateUser(manager: EntityManager, identity: Identity): Promise<LinkedIdentity> {
    await this.lock(manager, identity);
    const found = await this.use(manager, identity);
    if (found) return found;
    const existingUser = await this.findExistingUser(manager, identity);
    const userId = existingUser ?? (await this.createUser(manager, identity));
    const linked = await this.insert(manager, identity, userId);
    if (!linked) throw new Problem('identity_taken'); // not possible while the lock is held
    const details = { identity_id: linked.id, issuer: linked.issuer, is_new_user: existingUser === null };
    const entry = { actor_id: userId, subject_id: userId, details };
    await this.audit.write(manager, { action: 'identity.linked', ...entry });
    if (existingUser !== null) await this.mails.send(manager, userId, 'identity_linked');
    return linked;
  }

  /** Finds an identity and marks it as used; null: unknown. */
  private async use(manager: EntityManager, { issuer, subject }: Identity): Promise<LinkedIdentity | null> {
    const values = [issuer, subject, this.clock.date()];
    const [row] = await returningRows<LinkedIdentity>(manager, USE_IDENTITY, values);
    return row ?? null;
  }

  /** Finds the user of a new identity by an e-mail address that the issuer and Machi have verified; null: none. */
  private async findExistingUser(manager: EntityManager, identity: Identity): Promise<string | null> {
    if (identity.isFirstAdministrator) return this.groups.findFirstAdministrator(manager);
    return identity.email === undefined ? null : this.users.findIdByVerifiedEmail(manager, identity.email);
  }

  private async insert(
    manager: EntityManager,
    { issuer, subject }: Identity,
    user_id: string,
  ): Promise<ExternalIdentity | null> {
    const now = this.clock.date();
    const row = { id: uuidv7(), user_id, issuer, subject, created_at: now, last_used_at: now };
    const isInserted = await insertOrIgnore(manager, ExternalIdentity, row);
    return isInserted ? (row as ExternalIdentity) : null;
  }

  /** Creates a user with the identity's username and e-mail address where they are free. Throws `busy` after repeated conflicts. */
  private async createUser(manager: EntityManager, { username, fullname, email }: Identity): Promise<string> {
    for (let attempt = 0; attempt < MAX_INSERT_ATTEMPTS; attempt++) {
      const available = await this.users.findAvailable(manager, { username: validUsername(username), email });
      const name = available.username ?? `user-${randomBytes(6).toString('hex')}`;
      const user = {
        id: uuidv7(),
        username: name,
        fullname: toLine(fullname ?? '', MAX_FULLNAME) ?? name,
        email: available.email ?? null,
      };
      const isInserted = await this.users.insert(manager, { ...user, password_hash: null });
      if (isInserted) return user.id;
    }
    throw unavailable('busy');
  }
}

const validUsername = (username: string | undefined): string | undefined =>
  username !== undefined && USERNAME.test(username) ? username : undefined;

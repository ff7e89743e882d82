import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import { type EntityManager, In, IsNull, Not, Repository } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { Clock } from '../common/clock.provider.js';
import { POOL } from '../database/connections/pool.js';
import { insertOrIgnore } from '../database/statements/insert-or-ignore.js';
import { returningRows } from '../database/statements/returning.js';
import { NationalIdsService } from '../national-ids/national-ids.service.js';
import { Problem, tokenProblem } from '../http/problems/problem.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject } from '../personal-data/personal-data.js';
import { actorOf, type Caller } from './caller.js';
import { type Profile, PROFILE_COLUMNS, PROFILE_GROUPS } from './profile.js';
import { nationalIdRow } from './user-national-ids.service.js';
import { User } from './user.entity.js';

const REMOVE_UNVERIFIED_EMAIL = `update users set email = null, updated_at = $2
  where email = $1 and email_verified_at is null returning id`;

/** What a sign-in checks. */
export type StoredCredentials = Pick<User, 'id' | 'is_active' | 'password_hash'>;

/** A user to insert, with the national id in clear; what is left out is null, `created_at` and `updated_at` are now. */
export type NewUser = Pick<User, 'id' | 'username' | 'fullname' | 'password_hash'> &
  Partial<Pick<User, 'email' | 'nid' | 'phone_number' | 'address' | 'birthday'>>;

/** The columns that other modules may change through `update`. */
export type UserChanges = Partial<
  Pick<
    User,
    | 'username'
    | 'email'
    | 'email_verified_at'
    | 'pending_email'
    | 'password_hash'
    | 'fullname'
    | 'phone_number'
    | 'address'
    | 'birthday'
    | 'is_active'
  >
>;

/** Owns the table of users: reading, and the writes that other modules combine into use cases. UserListsService lists them. */
@Injectable()
export class UsersService {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    @Inject(POOL) private readonly pool: Pool,
    private readonly clock: Clock,
    private readonly audit: AuditService,
    private readonly nationalIds: NationalIdsService,
    private readonly personalData: PersonalDataRegistryService,
  ) {}

  /** A user with their groups. Throws `user_not_found`. */
  async get(id: string): Promise<Profile> {
    const user = await this.find(id);
    if (!user) throw new Problem('user_not_found');
    return user;
  }

  /** A user with their groups; null for an unknown id. */
  async find(id: string): Promise<Profile | null> {
    const { rows } = await this.pool.query<Profile>({
      name: 'user-profile',
      text: `select ${PROFILE_COLUMNS} from users u ${PROFILE_GROUPS} where u.id = $1`,
      values: [id],
    });
    return rows[0] ?? null;
  }

  /**
   * A user as the caller may see them: deactivated users are visible to administrators only, and an administrator's
   * access is audited. Throws `user_not_found`.
   */
  async getFor(caller: Caller, id: string): Promise<Profile> {
    const user = await this.get(id);
    if (!user.is_active && !caller.permissions.admin) throw new Problem('user_not_found');
    if (caller.permissions.admin && id !== caller.id) {
      await this.audit.write(this.users.manager, { action: 'user.viewed', ...actorOf(caller), subject_id: id });
    }
    return user;
  }

  /** The ids of the users with these names, by their names in lower case. Names of nobody are missing. */
  async findIdsByUsername(manager: EntityManager, usernames: string[]): Promise<Map<string, string>> {
    if (usernames.length === 0) return new Map();
    const users = await manager.find(User, {
      select: { id: true, username: true },
      where: { username: In(usernames) },
    });
    return new Map(users.map(({ id, username }) => [username.toLowerCase(), id]));
  }

  /** Whether there is a user. */
  exists(manager: EntityManager = this.users.manager): Promise<boolean> {
    return manager.existsBy(User, {});
  }

  /** Checks a username and an e-mail address without locking them. Throws `username_taken`, `email_taken`. */
  async assertAvailable({ username, email }: Pick<NewUser, 'username' | 'email'>): Promise<void> {
    if (await this.users.existsBy({ username })) throw new Problem('username_taken');
    if (email && (await this.users.existsBy({ email }))) throw new Problem('email_taken');
  }

  /** Returns those of the two that no user has, without locking them. */
  async findAvailable(
    manager: EntityManager,
    { username, email }: { username: string | undefined; email: string | undefined },
  ): Promise<{ username?: string; email?: string }> {
    const isFree = async (where: { username: string } | { email: string }) => !(await manager.existsBy(User, where));
    return {
      ...(username !== undefined && (await isFree({ username })) ? { username } : {}),
      ...(email !== undefined && (await isFree({ email })) ? { email } : {}),
    };
  }

  /** The id of the user with this verified e-mail address, locked against changes until the transaction ends. */
  async findIdByVerifiedEmail(manager: EntityManager, email: string): Promise<string | null> {
    const where = { email, email_verified_at: Not(IsNull()) };
    const lock = { mode: 'pessimistic_read' } as const;
    const user = await manager.findOne(User, { select: { id: true }, where, lock });
    return user?.id ?? null;
  }

  /** By username or e-mail address, in the form that `normaliseLogin` makes. */
  findCredentials(login: string): Promise<StoredCredentials | null> {
    const where = login.includes('@') ? { email: login } : { username: login };
    return this.users.findOne({ where, select: { id: true, is_active: true, password_hash: true } });
  }

  /** The bcrypt hash of a user's password; null for users without a password and for unknown ids. */
  async findPasswordHash(id: string): Promise<string | null> {
    const user = await this.users.findOne({ where: { id }, select: { id: true, password_hash: true } });
    return user?.password_hash ?? null;
  }

  /** The national id, which only its owner may see; null for users without one and for unknown ids. */
  async findNationalId(id: string): Promise<string | null> {
    const user = await this.users.findOne({ where: { id }, select: { id: true, nid: true, encrypted_nid: true } });
    if (!user?.encrypted_nid) return user?.nid ?? null; // a process of 0.1.0 may have added the user since the start
    return this.nationalIds.decrypt(nationalIdRow(id), user.encrypted_nid);
  }

  /** The id of the avatar that everyone sees; null for users without one, deactivated users and unknown ids. */
  async findShownAvatarId(id: string): Promise<string | null> {
    const { rows } = await this.pool.query<{ avatar_id: string | null }>({
      name: 'user-shown-avatar',
      text: 'select avatar_id from users where id = $1 and is_active',
      values: [id],
    });
    return rows[0]?.avatar_id ?? null;
  }

  /** Locks the user until the transaction ends. Returns the id of the shown avatar. Throws `user_not_found`. */
  async lockAvatarId(manager: EntityManager, id: string): Promise<string | null> {
    // Not "for update": rows that refer to the user may be inserted meanwhile.
    const select = 'select avatar_id from users where id = $1 for no key update';
    const [user] = await manager.query<Pick<User, 'avatar_id'>[]>(select, [id]);
    if (!user) throw new Problem('user_not_found');
    return user.avatar_id;
  }

  /** Sets the avatar that everyone sees; null for none. */
  async setAvatarId(manager: EntityManager, id: string, avatar_id: string | null): Promise<void> {
    await manager.query('update users set avatar_id = $2 where id = $1', [id, avatar_id]);
  }

  /** Finds a user by id or e-mail address, and locks the row until the transaction ends: for a change, or shared. */
  findLocked(
    manager: EntityManager,
    where: { id: string } | { email: string },
    mode: 'pessimistic_write' | 'pessimistic_read' = 'pessimistic_write',
  ): Promise<User | null> {
    return manager.findOne(User, { where, lock: { mode } });
  }

  /**
   * Keeps the caller's account from being deleted until the transaction ends, which records who acted. Call it before other locks:
   * a deletion locks the user first, too. Throws `invalid_token` if the account has just been deleted.
   */
  async lockCaller(manager: EntityManager, { id }: Pick<Caller, 'id'>): Promise<void> {
    const lock = { mode: 'for_key_share' } as const; // other changes of the user may happen meanwhile
    if (!(await manager.findOne(User, { select: { id: true }, where: { id }, lock })))
      throw tokenProblem('invalid_token');
  }

  /**
   * Keeps these accounts from being deleted until the transaction ends. Call it before other locks, as `lockCaller`. Accounts that
   * have just been deleted are skipped.
   */
  async lockAll(manager: EntityManager, ids: string[]): Promise<void> {
    await manager.query('select from users where id = any ($1::uuid[]) order by id for key share', [ids]);
  }

  /** Locks the user's row for a change and returns the hash of the password; undefined if the user has been deleted. */
  async lockPasswordHash(manager: EntityManager, id: string): Promise<string | null | undefined> {
    const select = { id: true, password_hash: true };
    const user = await manager.findOne(User, { where: { id }, select, lock: { mode: 'pessimistic_write' } });
    return user?.password_hash;
  }

  /** Locks the user's row for a change until the transaction ends. Throws `user_not_found`. */
  async lockForUpdate(manager: EntityManager, id: string): Promise<User> {
    const user = await this.findLocked(manager, { id });
    if (!user) throw new Problem('user_not_found');
    return user;
  }

  /** Inserts a user; false when the username or the e-mail address is taken. */
  insert(manager: EntityManager, { nid, ...user }: NewUser): Promise<boolean> {
    const now = this.clock.date();
    const encrypted_nid = nid == null ? null : this.nationalIds.encrypt(nationalIdRow(user.id), nid);
    return insertOrIgnore(manager, User, { ...user, encrypted_nid, created_at: now, updated_at: now });
  }

  /** Updates columns of a user. Throws `user_not_found`, `username_taken`, `email_taken`. */
  async update(manager: EntityManager, id: string, changes: UserChanges): Promise<void> {
    const { affected } = await manager.update(User, id, { ...changes, updated_at: this.clock.date() });
    if (affected === 0) throw new Problem('user_not_found');
  }

  /** The e-mail address of a user if it is verified; null otherwise. Notices go to verified addresses only. */
  async findVerifiedEmail(manager: EntityManager, id: string): Promise<string | null> {
    const where = { id, email_verified_at: Not(IsNull()) };
    const user = await manager.findOne(User, { select: { id: true, email: true }, where });
    return user?.email ?? null;
  }

  /** Whether another user has this e-mail address verified. */
  isVerifiedByOther(manager: EntityManager, id: string, email: string): Promise<boolean> {
    return manager.existsBy(User, { id: Not(id), email, email_verified_at: Not(IsNull()) });
  }

  /** Removes this e-mail address from the user who has it unverified. Returns the id of that user; null: none. */
  async removeUnverifiedEmail(manager: EntityManager, email: string): Promise<string | null> {
    const [user] = await returningRows<{ id: string }>(manager, REMOVE_UNVERIFIED_EMAIL, [email, this.clock.date()]);
    return user?.id ?? null;
  }

  /** Records that the user has proved to receive mail at the e-mail address. */
  async setEmailVerified(manager: EntityManager, id: string): Promise<void> {
    await manager.update(User, id, { email_verified_at: this.clock.date() });
  }

  /** Replaces a hash of the same password; false if the password has been changed in the meantime. */
  async replacePasswordHash(id: string, password_hash: string, newHash: string): Promise<boolean> {
    const { affected } = await this.users.update({ id, password_hash }, { password_hash: newHash });
    return affected === 1;
  }

  /** The user as the owner of personal data; null for an unknown id. */
  async findDataSubject(id: string): Promise<DataSubject | null> {
    const user = await this.users.findOneBy({ id });
    return user && toDataSubject(user);
  }

  /**
   * Deletes a user. Foreign keys delete what belongs to them, and each module erases what these do not reach. Throws
   * `user_not_found`, on commit `last_administrator`.
   */
  async remove(manager: EntityManager, id: string): Promise<void> {
    const user = await this.lockForUpdate(manager, id); // no row that refers to the user can be added from here on
    await this.personalData.erase(manager, toDataSubject(user));
    const { affected } = await manager.delete(User, id);
    if (affected === 0) throw new Problem('user_not_found');
  }
}

const toDataSubject = ({ id, email, email_verified_at }: User): DataSubject => ({
  id,
  addresses: email === null || email_verified_at === null ? [] : [email],
});

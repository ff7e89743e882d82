import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import pLimit from 'p-limit';
import type { Pool } from 'pg';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { AuditAction } from '../audit/audit.actions.js';
import { AuditService } from '../audit/audit.service.js';
import { Clock } from '../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../http/pagination.dto.js';
import { Problem, unavailable, validationFailed } from '../http/problem.js';
import { CURRENT_PASSWORD_BACKOFF, LOGIN_BACKOFF } from '../rate-limit/backoff-policies.js';
import { BackoffService } from '../rate-limit/backoff.service.js';
import { POOL } from '../database/pool.js';
import { insertOrIgnore } from '../database/insert-or-ignore.js';
import { MailsService } from '../mail/mails.service.js';
import { actorOf, type Caller } from './caller.js';
import { EmailVerificationsService } from '../account/email-verifications.service.js';
import { PasswordsService } from '../auth/passwords/passwords.service.js';
import { type Profile, PROFILE_COLUMNS, PROFILE_GROUPS } from './profile.js';
import { ReauthenticationService } from '../auth/reauthentication.service.js';
import type { VerifiedCredential } from '../auth/verified-credential.js';
import { User } from './user.entity.js';
import {
  type ChangePasswordDto,
  type CreateUserDto,
  normaliseLogin,
  type PublicUser,
  type PublicUserDto,
  toPublicUserDto,
  type UpdateMeDto,
  type UpdateUserDto,
  USERNAME,
  type UsersQueryDto,
} from './users.dto.js';

/** Folded as the search index is, with what LIKE would take for a wildcard made literal. */
const LIKE_PATTERN = `'%' || regexp_replace(fold_text($1), '([\\\\%_])', '\\\\\\1', 'g') || '%'`;

const MAX_WAITING_SEARCHES = 100;

/** What a sign-in checks. */
export type StoredCredentials = Pick<User, 'id' | 'is_active' | 'password_hash'>;

/** What is done in the transaction of a change. */
type Also = (manager: EntityManager) => Promise<unknown>;

@Injectable()
export class UsersService {
  /** A search for one or two letters reads the whole table: never on all connections at once. */
  private readonly searches = pLimit(4);

  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    @Inject(POOL) private readonly pool: Pool,
    private readonly passwords: PasswordsService,
    private readonly reauthentication: ReauthenticationService,
    private readonly backoff: BackoffService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
    private readonly mails: MailsService,
    private readonly verifications: EmailVerificationsService,
  ) {}

  /**
   * Registers a user, and mails a link to the address. Raises `username_taken`, `email_taken`, `password_refused`,
   * `rate_limited`.
   */
  async create({ password, nid, ...dto }: CreateUserDto & { nid?: string }): Promise<Profile> {
    this.passwords.assertAcceptable(password, [dto.username, dto.email]);
    await this.assertFree(dto); // before hashing, which is dear
    const now = this.clock.date();
    const user = {
      id: uuidv7(),
      email: null,
      email_verified_at: null,
      phone_number: null,
      address: null,
      birthday: null,
      ...dto,
      password_hash: await this.passwords.hash(password),
      is_active: true,
      avatar_id: null,
      created_at: now,
      updated_at: now,
    };
    if (!(await this.insert({ ...user, nid: nid ?? null }))) {
      await this.assertFree(dto);
      throw new Problem('username_taken');
    }
    return { ...user, groups: [] };
  }

  /** Failed attempts to sign in to this user do not count any more. */
  async forgetFailures({ id, username, email }: Pick<User, 'id' | 'username' | 'email'>): Promise<void> {
    for (const name of [username, email]) if (name) await this.backoff.reset(LOGIN_BACKOFF, normaliseLogin(name));
    await this.backoff.reset(CURRENT_PASSWORD_BACKOFF, id);
  }

  /** False when somebody else was faster with the username or the e-mail address. */
  private insert(user: Omit<User, 'groups'>): Promise<boolean> {
    return this.users.manager.transaction(async (manager) => {
      if (!(await insertOrIgnore(manager, User, user))) return false;
      await this.audit.write(manager, { action: 'user.created', actor_id: user.id, subject_id: user.id });
      await this.verifications.send(manager, user);
      return true;
    });
  }

  /** By username or e-mail address, in the form that `normaliseLogin` makes. */
  findCredentials(login: string): Promise<StoredCredentials | null> {
    const where = login.includes('@') ? { email: login } : { username: login };
    return this.users.findOne({ where, select: { id: true, is_active: true, password_hash: true } });
  }

  /** Replaces a hash of the same password; false if the password has been changed in the meantime. */
  async replacePasswordHash(id: string, password_hash: string, newHash: string): Promise<boolean> {
    const { affected } = await this.users.update({ id, password_hash }, { password_hash: newHash });
    return affected === 1;
  }

  async get(id: string): Promise<Profile> {
    const { rows } = await this.pool.query<Profile>({
      name: 'user-profile',
      text: `select ${PROFILE_COLUMNS} from users u ${PROFILE_GROUPS} where u.id = $1`,
      values: [id],
    });
    if (!rows[0]) throw new Problem('user_not_found');
    return rows[0];
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
    const lock = { mode: 'for_no_key_update' } as const; // rows that refer to the user may be inserted meanwhile
    const user = await manager.findOne(User, { select: { id: true, avatar_id: true }, where: { id }, lock });
    if (!user) throw new Problem('user_not_found');
    return user.avatar_id;
  }

  /** Sets the avatar that everyone sees; null for none. */
  async setAvatarId(manager: EntityManager, id: string, avatar_id: string | null): Promise<void> {
    await manager.update(User, id, { avatar_id });
  }

  /** As `get`, but deactivated users are hidden from all but administrators, whose reading is audited. */
  async getFor(caller: Caller, id: string): Promise<Profile> {
    const user = await this.get(id);
    if (!user.is_active && !caller.permissions.admin) throw new Problem('user_not_found');
    if (caller.permissions.admin && id !== caller.id) {
      await this.audit.write(this.users.manager, { action: 'user.viewed', ...actorOf(caller), subject_id: id });
    }
    return user;
  }

  /** Lets a user sign in at once whom failed attempts have locked. Raises `user_not_found`. */
  async unlock(caller: Caller, id: string): Promise<void> {
    await this.forgetFailures(await this.get(id));
    await this.audit.write(this.users.manager, { action: 'user.unlocked', ...actorOf(caller), subject_id: id });
  }

  /** By username; deactivated users are shown to administrators only. */
  async list(caller: Caller, { q, limit, cursor }: UsersQueryDto): Promise<Page<PublicUserDto>> {
    const after = readCursor(cursor, (key) => USERNAME.test(key));
    if (this.searches.pendingCount >= MAX_WAITING_SEARCHES) throw unavailable('busy');
    const { rows } = await this.searches(() =>
      this.pool.query<PublicUser>(
        `select id, username, fullname, avatar_id, created_at from users
       where ($1::text is null or fold_text(username || ' ' || fullname) like ${LIKE_PATTERN})
         and ($2::citext is null or username > $2::citext) and (is_active or $3)
       order by username limit $4`,
        [q, after, caller.permissions.admin, limit + 1],
      ),
    );
    return toPage(rows, limit, (row) => row.username, toPublicUserDto);
  }

  /**
   * Changes the caller's own profile; the e-mail address only with the password, since it can reset the password. With
   * the address all sessions end. `also` belongs to the same change. Raises `wrong_password`, `username_taken`, `email_taken`.
   */
  async updateMe(caller: Caller, { current_password, ...changes }: UpdateMeDto, also?: Also): Promise<Profile> {
    const isReaddressed = changes.email !== undefined && changes.email !== caller.profile.email;
    if (isReaddressed && current_password === undefined) {
      throw validationFailed([
        { path: 'current_password', message: 'current_password is needed to change the e-mail' },
      ]);
    }
    const proof = isReaddressed ? await this.reauthentication.checkPassword(caller, current_password!) : undefined;
    return this.apply(caller, caller.id, changes, isReaddressed ? 'user.email_changed' : 'user.changed', {
      proof,
      also,
    });
  }

  /** Changes the caller's password, and ends all sessions, this one too. Raises `wrong_password`, `password_refused`. */
  async changePassword(caller: Caller, { current_password, new_password }: ChangePasswordDto): Promise<void> {
    this.passwords.assertAcceptable(new_password, [caller.profile.username, caller.profile.email], 'new_password');
    const proof = await this.reauthentication.checkPassword(caller, current_password);
    const password_hash = await this.passwords.hash(new_password);
    await this.users.manager.transaction(async (manager) => {
      await this.reauthentication.confirm(manager, caller, proof);
      await this.replacePassword(manager, caller.id, { password_hash });
      await this.audit.write(manager, { action: 'user.password_changed', ...actorOf(caller), subject_id: caller.id });
    });
  }

  /** Stores a new password, ends all sessions and tells the user; within a transaction that has the user's row locked. */
  async replacePassword(
    manager: EntityManager,
    id: string,
    changes: Pick<User, 'password_hash'> & Partial<Pick<User, 'email_verified_at'>>,
  ): Promise<void> {
    await manager.update(User, id, { ...changes, updated_at: this.clock.date() });
    await manager.query('delete from sessions where user_id = $1', [id]);
    const { email } = await manager.findOneByOrFail(User, { id });
    await this.mails.enqueue(manager, { kind: 'password_changed', to: email, values: this.mails.securityContext() });
  }

  /** Changes another user, for administrators. Raises `last_administrator`. */
  update(caller: Caller, id: string, changes: UpdateUserDto): Promise<Profile> {
    const { is_active } = changes;
    const action = is_active === undefined ? 'user.changed' : is_active ? 'user.reactivated' : 'user.deactivated';
    return this.apply(caller, id, changes, action);
  }

  /** Deletes the caller. Raises `wrong_password`, `last_administrator`. */
  async removeMe(caller: Caller, password: string): Promise<void> {
    await this.remove(caller, caller.id, await this.reauthentication.checkPassword(caller, password));
  }

  /** Deletes a user with their sessions and memberships. Raises `last_administrator`. */
  async remove(caller: Caller, id: string, proof?: VerifiedCredential): Promise<void> {
    await this.users.manager.transaction(async (manager) => {
      if (proof) await this.reauthentication.confirm(manager, caller, proof);
      const { affected } = await manager.delete(User, id);
      if (affected === 0) throw new Problem('user_not_found');
      await this.audit.write(manager, { action: 'user.deleted', ...actorOf(caller), subject_id: id });
    });
  }

  private async apply(
    caller: Caller,
    id: string,
    changes: UpdateMeDto | UpdateUserDto,
    action: AuditAction,
    { proof, also }: { proof?: VerifiedCredential | undefined; also?: Also | undefined } = {},
  ): Promise<Profile> {
    await this.users.manager.transaction(async (manager) => {
      if (proof) await this.reauthentication.confirm(manager, caller, proof);
      const before = await manager.findOne(User, { where: { id }, lock: { mode: 'pessimistic_write' } });
      if (!before) throw new Problem('user_not_found');
      await manager.update(User, id, { ...changes, updated_at: this.clock.date() });
      await this.audit.write(manager, {
        action,
        ...actorOf(caller),
        subject_id: id,
        details: { fields: Object.keys(changes) },
      });
      if ('email' in changes) await this.tellBothAddresses(manager, before, changes.email);
      await also?.(manager);
    });
    return this.get(id);
  }

  /** The old address learns that it is the old one, the new one gets a link to prove itself by. */
  private async tellBothAddresses(
    manager: EntityManager,
    { id, email: old }: User,
    email: string | null = old,
  ): Promise<void> {
    if (email === old) return;
    await this.mails.enqueue(manager, { kind: 'email_changed', to: old, values: this.mails.securityContext() });
    await this.verifications.send(manager, { id, email });
  }

  private async assertFree({ username, email }: Pick<CreateUserDto, 'username' | 'email'>): Promise<void> {
    if (await this.users.existsBy({ username })) throw new Problem('username_taken');
    if (email && (await this.users.existsBy({ email }))) throw new Problem('email_taken');
  }
}

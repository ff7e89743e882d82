import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { RegistrationService } from '../../account/registration.service.js';
import { Problem } from '../../http/problems/problem.js';
import { assertValid } from '../../http/validation.js';
import type { Caller } from '../../users/caller.js';
import type { Profile } from '../../users/profile.js';
import { UserListsService } from '../../users/user-lists.service.js';
import { CreateUserDto } from '../../users/users.dto.js';
import { UsersService } from '../../users/users.service.js';
import { type KanjikuUserDto, type KanjikuUsersDto, KanjikuUsersQueryDto } from './kanjiku.dto.js';
import { type ErrorKey, KanjikuError } from './message-keys.js';

/** Fields whose errors have a key of their own, in the order of the manga site's checks. */
const FIELD_KEYS: [field: string, key: ErrorKey][] = [
  ['birthday', 'errors.birthday_invalid'],
  ['username', 'errors.username_invalid'],
  ['email', 'errors.email_invalid'],
];

/** Registers, lists and reads users for the manga site. */
@Injectable()
export class KanjikuUsersService {
  constructor(
    private readonly users: UsersService,
    private readonly lists: UserListsService,
    private readonly registration: RegistrationService,
  ) {}

  /**
   * Registers a user, whose full name is the username. Throws `errors.missing_parameters`, the key of the first invalid
   * field, and the problems of registration.
   */
  async register(body: object = {}): Promise<void> {
    const { username, password, email, birthday } = body as Record<string, unknown>;
    const isMissing = [username, password, email].some((value) => value === undefined || value === null);
    if (isMissing) throw new KanjikuError('errors.missing_parameters');
    const fields = { username, password, email, fullname: username, birthday: birthday === '' ? undefined : birthday };
    await this.registration.register(this.validate(fields));
  }

  /** A page of users in the order of their usernames. Throws `errors.parameter_error`, `busy`. */
  async list(caller: Caller, query: object): Promise<KanjikuUsersDto> {
    const { page, pagesize } = withError('errors.parameter_error', () => assertValid(KanjikuUsersQueryDto, query));
    const { count, users } = await this.lists.listByOffset(caller, (page - 1) * pagesize, pagesize);
    return { user_count: count, users: Object.fromEntries(users.map(({ id, username }) => [id, username])) };
  }

  /** Throws `errors.user_does_not_exist`, also for ids that are not UUIDs. */
  async get(caller: Caller, id: string): Promise<KanjikuUserDto> {
    if (!isUUID(id)) throw new KanjikuError('errors.user_does_not_exist');
    return this.toDto(caller, await this.users.getFor(caller, id.toLowerCase()));
  }

  toDto(caller: Caller, user: Profile): KanjikuUserDto {
    const [year, month, day] = user.created_at.toISOString().slice(0, 10).split('-');
    const sparse = {
      uuid: user.id,
      username: user.username,
      avatar: user.avatar_id,
      groups: user.groups.map(({ name }) => name),
      member_since: `${day}/${month}/${year}`,
    };
    const isPrivileged = caller.id === user.id || caller.permissions.admin;
    return isPrivileged ? { ...sparse, birthday: user.birthday, email: user.email } : sparse;
  }

  private validate(fields: object): CreateUserDto {
    try {
      return assertValid(CreateUserDto, fields);
    } catch (error) {
      const errors = errorsOf(error);
      const [field, key] = FIELD_KEYS.find(([name]) => errors.some(({ path }) => path === name)) ?? [];
      throw key ? new KanjikuError(key, errors.find(({ path }) => path === field)?.message) : error;
    }
  }
}

function withError<T>(key: ErrorKey, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new KanjikuError(key, errorsOf(error)[0]?.message);
  }
}

const errorsOf = (error: unknown): { path: string; message: string }[] =>
  error instanceof Problem ? ((error.members['errors'] ?? []) as { path: string; message: string }[]) : [];

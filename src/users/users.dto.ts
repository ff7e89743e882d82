import { ApiProperty } from '@nestjs/swagger';
import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsEmail, IsOptional, IsString, Matches, MaxLength, ValidateBy } from 'class-validator';
import { trimBlanks } from '../common/text.js';
import { PageQueryDto } from '../http/pagination.dto.js';
import { IsLine } from '../http/validation.js';
import { PermissionFlagsDto } from '../permissions/permissions.dto.js';
import { type PermissionFlags, rightsOf } from '../permissions/permissions.js';
import { shownAvatarUrl } from './avatar-url.js';
import type { Caller } from './caller.js';
import type { Profile } from './profile.js';

/** In characters. */
export const MAX_FULLNAME = 100;

export const USERNAME = /^[A-Za-z0-9._-]{3,30}$/;

/** The form in which an e-mail address is stored and looked up. Addresses are ASCII, see IsEmailAddress. */
export const normaliseEmail = (email: string): string => trimBlanks(email).toLowerCase();

/** The form in which a login (a username or an e-mail address) is looked up and counted: keyboards append blanks. */
export const normaliseLogin = (login: string): string => trimBlanks(login).toLowerCase();

/** Trims a field that users type; other values stay. */
const Trim = (): PropertyDecorator => Transform(({ value }) => (typeof value === 'string' ? trimBlanks(value) : value));

const isBirthday = (value: unknown): boolean =>
  typeof value === 'string' &&
  /^\d{4}-\d{2}-\d{2}$/.test(value) &&
  value >= '1900-01-01' &&
  new Date(value).getTime() <= Date.now() &&
  new Date(value).toISOString().startsWith(value);

/** An ASCII address in lower case, without the quoted form of RFC 5321, which programs parse in different ways. */
export const IsEmailAddress = (): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) =>
      typeof value === 'string' && /^[\x20-\x7e]*$/.test(value) ? normaliseEmail(value) : value,
    ),
    MaxLength(254),
    Matches(/^[\x21\x23-\x7e]+$/, { message: '$property must be ASCII, without quotes' }),
    IsEmail(),
  );

/** A user to register. */
export class CreateUserDto {
  /**
   * 3 to 30 letters, digits, `.`, `_` or `-`; unique without regard to case.
   * @example hana.sato
   */
  @Trim()
  @Matches(USERNAME, { message: '$property must be 3 to 30 letters, digits, ".", "_" or "-"' })
  username: string;

  /**
   * Unique without regard to case. ASCII only, so that no two addresses look alike; domains with other letters in their
   * `xn--` form.
   * @example hana@example.org
   */
  @IsOptional()
  @IsEmailAddress()
  email?: string | null;

  /**
   * 8 to 72 bytes (UTF-8), not a common password, not the username or e-mail.
   * @example "cloudy harbour seven"
   */
  @IsString()
  @MaxLength(1000)
  password: string;

  /**
   * The name that other users see.
   * @example "Hana Sato"
   */
  @IsLine(1, MAX_FULLNAME)
  fullname: string;

  /**
   * E.164.
   * @example +81312345678
   */
  @IsOptional()
  @Matches(/^\+[1-9]\d{6,14}$/, { message: '$property must be an E.164 number such as +81312345678' })
  phone_number?: string | null;

  /** @example "1-1 Chiyoda, Tokyo" */
  @IsOptional()
  @IsLine(1, 300)
  address?: string | null;

  /** @example 1990-04-01 */
  @IsOptional()
  @ValidateBy({
    name: 'isBirthday',
    validator: { validate: isBirthday, defaultMessage: () => '$property must be a past date as YYYY-MM-DD' },
  })
  birthday?: string | null;
}

/** Which users to list. */
export class UsersQueryDto extends PageQueryDto {
  /**
   * Part of the username or full name, without regard to case and accents.
   * @example sato
   */
  @IsOptional()
  @IsLine(1, 100)
  q?: string;
}

/** The fields of a user that every signed-in user can read. */
export class PublicUserDto {
  /** @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example hana.sato */
  username: string;
  /** @example "Hana Sato" */
  fullname: string;
  /**
   * The path of the avatar, or of an image generated from the id.
   * @example /api/avatars/0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a/256.webp
   */
  avatar_url: string;
  created_at: Date;
}

/** A group of which a user is a member. */
export class UserGroupDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example Translators */
  name: string;
}

/** All fields of a user, for the user and for administrators. */
export class UserDto extends PublicUserDto {
  /** @example hana@example.org */
  email: string | null;
  /**
   * Whether the user has proved to receive mail at the address, by a mailed link or code.
   * @example true
   */
  email_verified: boolean;
  /**
   * The new address of a change that waits for its confirmation from that mailbox; null: none.
   * @example hana@example.com
   */
  pending_email: string | null;
  /** @example +81312345678 */
  phone_number: string | null;
  /** @example "1-1 Chiyoda, Tokyo" */
  address: string | null;
  /** @example 1990-04-01 */
  birthday: string | null;
  /** @example true */
  is_active: boolean;
  groups: UserGroupDto[];
  permissions: PermissionFlagsDto;
  /**
   * Days before the release of a chapter from which the user can read it.
   * @example 3
   */
  early_access_days: number;
  updated_at: Date;
}

/** A page of users. */
export class UsersPageDto {
  items: PublicUserDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export type PublicUser = Pick<Profile, 'id' | 'username' | 'fullname' | 'avatar_id' | 'created_at'>;

export const toPublicUserDto = (user: PublicUser): PublicUserDto => ({
  id: user.id,
  username: user.username,
  fullname: user.fullname,
  avatar_url: shownAvatarUrl(user),
  created_at: user.created_at,
});

/** All fields of a user. The caller's own rights have been computed with the request and need not be computed again. */
export const toUserDto = (
  user: Profile,
  rights: { permissions: PermissionFlags; early_access_days: number } = rightsOf(user.groups),
): UserDto => ({
  id: user.id,
  username: user.username,
  fullname: user.fullname,
  avatar_url: shownAvatarUrl(user),
  email: user.email,
  email_verified: user.email_verified_at !== null,
  pending_email: user.pending_email,
  phone_number: user.phone_number,
  address: user.address,
  birthday: user.birthday,
  is_active: user.is_active,
  groups: user.groups.map(({ id, name }) => ({ id, name })),
  permissions: rights.permissions,
  early_access_days: rights.early_access_days,
  created_at: user.created_at,
  updated_at: user.updated_at,
});

/** All fields for the user and for administrators, the public fields for everyone else. */
export const toUserDtoFor = (caller: Caller, user: Profile): UserDto | PublicUserDto =>
  caller.id === user.id || caller.permissions.admin ? toUserDto(user) : toPublicUserDto(user);

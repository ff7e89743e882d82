import { ApiProperty } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { IsQueryInt } from '../../http/pagination.dto.js';
import { PermissionFlagsDto } from '../../permissions/permissions.dto.js';
import { MESSAGES, type SuccessKey } from './message-keys.js';

/** The response of a route without a payload, and of every error. */
export class KanjikuMessageDto {
  /**
   * A sentence for the user.
   * @example "You are signed in."
   */
  msg: string;
  /**
   * The stable key of the sentence.
   * @example messages.login_success
   */
  msg_key: string;
}

export const toMessageDto = (msg_key: SuccessKey): KanjikuMessageDto => ({ msg: MESSAGES[msg_key], msg_key });

/** A user to register. */
export class KanjikuRegisterDto {
  /** @example hana.sato */
  username: string;
  /** @example "cloudy harbour seven" */
  password: string;
  /** @example hana@example.org */
  email: string;
  /** @example 1990-04-01 */
  birthday?: string;
}

/** Credentials of a user. */
export class KanjikuLoginDto {
  /**
   * Username or e-mail address.
   * @example hana.sato
   */
  username: string;
  /** @example "cloudy harbour seven" */
  password: string;
}

export class KanjikuLogoutDto {
  /**
   * Ends all sessions of the user.
   * @example true
   */
  logout_all?: boolean;
}

/** Which users to list. */
export class KanjikuUsersQueryDto {
  @IsOptional()
  @IsQueryInt(1, 1_000_000)
  page: number = 1;

  @IsOptional()
  @IsQueryInt(1, 100)
  pagesize: number = 25;
}

export class KanjikuUsersDto {
  /** @example 1 */
  user_count: number;
  /**
   * Usernames by id.
   * @example { "0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42": "hana.sato" }
   */
  users: Record<string, string>;
}

export class KanjikuSessionUserDto {
  /** @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42 */
  @ApiProperty({ format: 'uuid' })
  uid: string;
  /** @example hana.sato */
  username: string;
  /** @example ["Translators"] */
  groups: string[];
  permissions: PermissionFlagsDto;
}

/** The session of the cookies, with the rights that the user has now. */
export class KanjikuSessionDto {
  /**
   * When the identity token expires, in unix seconds.
   * @example 1767225600
   */
  id_valid_until: number;
  /**
   * When the refresh token expires, in unix seconds.
   * @example 1767829500
   */
  refresh_valid_until: number;
  user: KanjikuSessionUserDto;
}

export class KanjikuUserDto {
  /** @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42 */
  @ApiProperty({ format: 'uuid' })
  uuid: string;
  /** @example hana.sato */
  username: string;
  /**
   * The id of the avatar.
   * @example 0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a
   */
  @ApiProperty({ format: 'uuid' })
  avatar: string | null;
  /** @example ["Translators"] */
  groups: string[];
  /**
   * Day, month and year in UTC.
   * @example 28/11/2026
   */
  member_since: string;
  /**
   * For the user and for administrators only.
   * @example 1990-04-01
   */
  birthday?: string | null;
  /**
   * For the user and for administrators only.
   * @example hana@example.org
   */
  email?: string | null;
}

export class KanjikuVersionDto {
  /** @example 0.1.0 */
  version: string;
}

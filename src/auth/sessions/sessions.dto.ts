import { ApiProperty, ApiPropertyOptional, IntersectionType, PartialType } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length, MaxLength } from 'class-validator';
import { UserDto } from '../../users/users.dto.js';
import { deviceName } from './device.js';
import type { Session } from './session.entity.js';
import type { IdentityClaims } from '../tokens/token-claims.js';
import type { SignedToken } from '../tokens/tokens.service.js';

/** Where a new refresh token goes. */
export class RefreshDeliveryDto {
  /**
   * `cookie`: the answer sets the refresh token as an HttpOnly cookie and does not contain it. For pages in a browser.
   * @example cookie
   */
  @IsOptional()
  @IsIn(['cookie'])
  refresh?: 'cookie';
}

export class SignInDto extends RefreshDeliveryDto {
  /**
   * Username or e-mail address.
   * @example hana.sato
   */
  @IsString()
  @Length(1, 300)
  login: string;

  /** @example "cloudy harbour seven" */
  @IsString()
  @MaxLength(1000)
  password: string;
}

export class RefreshTokenDto {
  /**
   * The newest refresh token. It can be used once.
   * @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl
   */
  @IsString()
  @Length(1, 4096)
  refresh_token: string;
}

/** The newest refresh token; without it, the one of the cookie. */
export class RefreshDto extends IntersectionType(PartialType(RefreshTokenDto), RefreshDeliveryDto) {}

export class SignOutDto {
  /**
   * Replaces the identity token in the header.
   * @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl
   */
  @IsOptional()
  @IsString()
  @Length(1, 4096)
  refresh_token?: string;
}

export class SignOutAllQueryDto {
  /**
   * `true` keeps the session of this request.
   * @example "true"
   */
  @IsOptional()
  @IsIn(['true', 'false'])
  except_current?: 'true' | 'false';
}

export class SessionDto {
  /** @example 0199c2a4-7a10-7d55-b1c2-9e8f7a6b5c4d */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /**
   * Send it as `Authorization: Bearer …`.
   * @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl
   */
  identity_token: string;
  /**
   * Gets the next identity token when this one has expired. Absent if the answer sets it as a cookie.
   * @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl
   */
  @ApiPropertyOptional()
  refresh_token: string;
  /** @example Bearer */
  token_type: string;
  /** When the identity token expires; null: never. */
  expires_at: Date | null;
  /** When the refresh token expires; null: never. */
  refresh_expires_at: Date | null;
  user: UserDto;
}

export const toSessionDto = (
  { id }: { id: string },
  identity: SignedToken,
  refresh: SignedToken,
  user: UserDto,
): SessionDto => ({
  id,
  identity_token: identity.token,
  refresh_token: refresh.token,
  token_type: 'Bearer',
  expires_at: identity.expires_at,
  refresh_expires_at: refresh.expires_at,
  user,
});

/** A session as its owner sees it. */
export class DeviceSessionDto {
  /** @example 0199c2a4-7a10-7d55-b1c2-9e8f7a6b5c4d */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example "Firefox on Windows" */
  device: string;
  /** @example 203.0.113.9 */
  ip: string | null;
  created_at: Date;
  /** When the session was opened or last refreshed. */
  last_used_at: Date;
  /** When the session expires, no matter how often it is refreshed; null: never. */
  expires_at: Date | null;
  /**
   * Whether this is the session of the request.
   * @example true
   */
  is_current: boolean;
}

/** A page of sessions. */
export class DeviceSessionsPageDto {
  items: DeviceSessionDto[];
  /** Pass it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export class TokenUserDto {
  /** @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42 */
  @ApiProperty({ format: 'uuid' })
  uid: string;
  /** @example hana.sato */
  username: string;
  /** @example ["Translators"] */
  groups: string[];
  /**
   * Present if the user is in more groups than the token names.
   * @example true
   */
  groups_truncated?: boolean;
  /** @example { "admin": false, "upload_chapters": true } */
  permissions: Record<string, boolean>;
}

export class CurrentSessionDto extends DeviceSessionDto {
  /** When the identity token of this request expires; null: never. */
  identity_expires_at: Date | null;
  /** When the newest refresh token of the session expires; null: never. */
  refresh_expires_at: Date | null;
  /** The user as the identity token of this request names them. */
  user: TokenUserDto;
}

export const toDeviceSessionDto = (session: Session, currentId: string): DeviceSessionDto => ({
  id: session.id,
  device: deviceName(session.user_agent),
  ip: session.ip,
  created_at: session.created_at,
  last_used_at: session.last_used_at,
  expires_at: session.expires_at,
  is_current: session.id === currentId,
});

export const toCurrentSessionDto = (
  session: Session,
  { user }: IdentityClaims,
  identity_expires_at: Date | null,
  refresh_expires_at: Date | null,
): CurrentSessionDto => ({
  ...toDeviceSessionDto(session, session.id),
  identity_expires_at,
  refresh_expires_at,
  user,
});

import { IsString, Length, MaxLength } from 'class-validator';
import type { Profile } from '../users/profile.js';
import { toUserDto, UserDto } from '../users/users.dto.js';
import type { SignedToken } from './tokens.js';

export class SignInDto {
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

export class SessionDto {
  /** @example 0199c2a4-7a10-7d55-b1c2-9e8f7a6b5c4d */
  id: string;
  /**
   * Send it as `Authorization: Bearer …`.
   * @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl
   */
  identity_token: string;
  /**
   * Gets the next identity token when this one has expired.
   * @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl
   */
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
  user: Profile,
): SessionDto => ({
  id,
  identity_token: identity.token,
  refresh_token: refresh.token,
  token_type: 'Bearer',
  expires_at: identity.expires_at,
  refresh_expires_at: refresh.expires_at,
  user: toUserDto(user),
});

import { IsString, MaxLength } from 'class-validator';
import { IsEmailAddress } from '../../users/users.dto.js';

/** Credentials of a user of the anime site. */
export class KitsuCredentialsDto {
  /** @example hana@example.org */
  @IsEmailAddress()
  email: string;
  /** @example "cloudy harbour seven" */
  @IsString()
  @MaxLength(1000)
  password: string;
}

/** Tokens in the format of the anime site. */
export class KitsuTokensDto {
  /** @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl */
  access_token: string;
  /** @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl */
  refresh_token: string;
  /** @example bearer */
  token_type: string;
}

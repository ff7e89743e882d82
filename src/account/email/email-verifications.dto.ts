import { IsString, MaxLength, MinLength } from 'class-validator';
import { IsOptionalNotNull } from '../../http/validation.js';

/** The token of a mailed link. */
export class EmailLinkDto {
  /**
   * The last part of the mailed link.
   * @example Zm9ydHktdHdvIGJ5dGVzIG9mIG5vdGhpbmcgYXQgYWxsLi4
   */
  @IsString()
  @MaxLength(100)
  token: string;
}

/** The token of a mailed link, and the password of the account unless the caller is signed in to it. */
export class VerifyEmailDto extends EmailLinkDto {
  /** @example "cloudy harbour seven" */
  @IsOptionalNotNull()
  @IsString()
  @MaxLength(1000)
  password?: string;
}

/** The form of the page that the mailed link opens. */
export class ConfirmEmailFormDto {
  /** @example "cloudy harbour seven" */
  @IsString()
  @MinLength(1)
  @MaxLength(1000)
  password: string;
}

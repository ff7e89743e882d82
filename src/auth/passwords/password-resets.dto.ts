import { IsString, MaxLength } from 'class-validator';
import { IsEmailAddress } from '../../users/users.dto.js';

/** The address of the user who has forgotten the password. */
export class RequestResetDto {
  /** @example hana@example.org */
  @IsEmailAddress()
  email: string;
}

/** A mailed code and the address it was mailed to. */
export class ValidateCodeDto extends RequestResetDto {
  /**
   * The eight digits of the mail.
   * @example 04861937
   */
  @IsString()
  @MaxLength(100)
  code: string;
}

/** The token that a code was exchanged for. */
export class ResetTokenDto {
  /**
   * Sets one new password within ten minutes.
   * @example Zm9ydHktdHdvIGJ5dGVzIG9mIG5vdGhpbmcgYXQgYWxsLi4
   */
  reset_token: string;
}

/** A reset token and the new password. */
export class ResetPasswordDto {
  /** @example Zm9ydHktdHdvIGJ5dGVzIG9mIG5vdGhpbmcgYXQgYWxsLi4 */
  @IsString()
  @MaxLength(100)
  reset_token: string;

  /**
   * The rules of registration apply.
   * @example "silent meadow ninety"
   */
  @IsString()
  @MaxLength(1000)
  password: string;
}

import { IsString, MaxLength } from 'class-validator';
import { IsEmailAddress } from '../../users/users.dto.js';

export class RequestResetDto {
  /** @example hana@example.org */
  @IsEmailAddress()
  email: string;
}

export class ValidateCodeDto extends RequestResetDto {
  /**
   * The eight digits that were mailed.
   * @example 04861937
   */
  @IsString()
  @MaxLength(100)
  code: string;
}

export class ResetTokenDto {
  /**
   * Good for one new password within ten minutes.
   * @example Zm9ydHktdHdvIGJ5dGVzIG9mIG5vdGhpbmcgYXQgYWxsLi4
   */
  reset_token: string;
}

export class ResetPasswordDto {
  /** @example Zm9ydHktdHdvIGJ5dGVzIG9mIG5vdGhpbmcgYXQgYWxsLi4 */
  @IsString()
  @MaxLength(100)
  reset_token: string;

  /**
   * As for registering.
   * @example "silent meadow ninety"
   */
  @IsString()
  @MaxLength(1000)
  password: string;
}

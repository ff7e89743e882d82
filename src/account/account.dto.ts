import { PartialType, PickType } from '@nestjs/swagger';
import { IsBoolean, IsString, MaxLength } from 'class-validator';
import { IsOptionalNotNull } from '../http/validation.js';
import { CreateUserDto } from '../users/users.dto.js';

/** What users may change about themselves. A field that is left out stays as it is; `null` clears an optional one. */
export class UpdateMeDto extends PartialType(
  PickType(CreateUserDto, ['username', 'email', 'fullname', 'phone_number', 'address', 'birthday'] as const),
  { skipNullProperties: false },
) {
  /**
   * Required when the e-mail address changes.
   * @example "cloudy harbour seven"
   */
  @IsOptionalNotNull()
  @IsString()
  @MaxLength(1000)
  current_password?: string;
}

/** What administrators may change about other users. */
export class UpdateUserDto extends PartialType(PickType(CreateUserDto, ['username', 'fullname'] as const), {
  skipNullProperties: false,
}) {
  /**
   * False revokes all sessions of the user and refuses new ones.
   * @example false
   */
  @IsOptionalNotNull()
  @IsBoolean()
  is_active?: boolean;
}

/** The caller's password, for the deletion of the account. */
export class PasswordDto {
  /** @example "cloudy harbour seven" */
  @IsString()
  @MaxLength(1000)
  password: string;
}

/** The caller's current and new password. */
export class ChangePasswordDto {
  /** @example "cloudy harbour seven" */
  @IsString()
  @MaxLength(1000)
  current_password: string;

  /**
   * The rules of registration apply.
   * @example "silent meadow ninety"
   */
  @IsString()
  @MaxLength(1000)
  new_password: string;
}

import { ApiProperty, PickType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsString, Matches, MinLength } from 'class-validator';
import { trimBlanks } from '../../common/text.js';
import { IsLine } from '../../http/validation.js';
import { CreateUserDto, IsEmailAddress } from '../../users/users.dto.js';

/** Converts to text: clients send these fields as strings or as numbers. */
const AsText = (strip: RegExp): PropertyDecorator =>
  Transform(({ value }) =>
    typeof value === 'string' || Number.isSafeInteger(value) ? String(value).replace(strip, '') : value,
  );

/** Forms send optional fields that stay empty as empty strings: they count as absent. */
const EmptyAsAbsent = (): PropertyDecorator =>
  Transform(({ value }) => (typeof value === 'string' && trimBlanks(value) === '' ? undefined : value));

/** A user to register. */
export class BackendUserCreateDto extends PickType(CreateUserDto, ['password', 'address'] as const) {
  /** @example "1-1 Chiyoda, Tokyo" */
  @EmptyAsAbsent()
  override address?: string | null;
  /** @example "Hana Sato" */
  @IsLine(1, 100)
  name: string;
  /** @example hana@example.org */
  @IsEmailAddress()
  email: string;
  /**
   * The national id: 4 to 30 letters, digits or hyphens.
   * @example "1990040112345"
   */
  @AsText(/\s/g)
  @Matches(/^[0-9A-Za-z-]{4,30}$/, { message: '$property must be 4 to 30 letters, digits or hyphens' })
  nid: string;
  /**
   * In E.164 or local format.
   * @example +81312345678
   */
  @AsText(/[\s().-]/g)
  @Matches(/^\+?\d{6,15}$/, { message: '$property must be 6 to 15 digits' })
  phone_number: string;
}

/** The OAuth 2 password grant. Any text is taken: what cannot be a user or a password is refused as an unknown one is. */
export class BackendUserLoginDto {
  /**
   * The e-mail address.
   * @example hana@example.org
   */
  @IsString()
  @MinLength(1)
  username: string;
  /** @example "cloudy harbour seven" */
  @IsString()
  password: string;
}

/** The response to the OAuth 2 password grant. */
export class BackendUserTokenDto {
  /** @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl */
  access_token: string;
  /** @example Bearer */
  token_type: string;
}

/** A user in the format of the vaccine registration. */
export class BackendUserDto {
  /** @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example "Hana Sato" */
  name: string;
  /** @example hana@example.org */
  email: string | null;
  /** @example "1990040112345" */
  nid: string | null;
  /**
   * Whether the e-mail address is verified.
   * @example false
   */
  verified: boolean;
  /** @example +81312345678 */
  phone_number: string | null;
  /** @example "1-1 Chiyoda, Tokyo" */
  address: string | null;
}

/** The caller in the format of the vaccine registration. */
export class BackendUserProfileDto extends BackendUserDto {
  /**
   * 2 for callers with the permission `verify_registrations` or `admin`, else 1.
   * @example 1
   */
  role_id: number;
}

/** The address to which a reset code is mailed. Any text is taken: what is no address is answered as an unknown one is. */
export class BackendUserEmailDto {
  /** @example hana@example.org */
  @IsString()
  email: string;
}

/** A mailed reset code and its address. Not validated: whatever is missing or malformed is a wrong code. */
export class BackendUserCodeDto extends BackendUserEmailDto {
  /**
   * The eight digits from the mail.
   * @example "12345678"
   */
  code_from_user: string;
}

/** A sentence for the user. */
export class BackendUserMessageDto {
  /** @example "If a user has this address, a code has been mailed to it." */
  message: string;
}

/** The reset token for a correct code. */
export class BackendUserResetDto extends BackendUserMessageDto {
  /** @example 6v3K0Yb8l1mZr2Tq9sXw4uJc7nPd5eAf */
  reset_token: string;
}

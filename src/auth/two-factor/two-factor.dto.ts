import { IsString, Length } from 'class-validator';
import { RefreshDeliveryDto } from '../sessions/sessions.dto.js';
import { CurrentPasswordDto } from '../reauthentication.dto.js';

/** A code of the authenticator app. */
export class CodeDto {
  /**
   * The six digits that the authenticator app shows.
   * @example "492039"
   */
  @IsString()
  @Length(6, 50)
  code: string;
}

/** The code for a change that the password alone does not permit. */
export class TwoFactorChangeDto extends CurrentPasswordDto {
  /**
   * The six digits that the authenticator app shows, or one of the recovery codes.
   * @example "492039"
   */
  @IsString()
  @Length(6, 50)
  code: string;
}

/** The challenge of a sign-in and a code for it. */
export class TwoFactorSignInDto extends RefreshDeliveryDto {
  /**
   * The `challenge` of the problem `two_step_required`.
   * @example 4mJ0sVZk1eT8h2bq6xYp9wQcR3nLuA7iDfGoK5tHvSE
   */
  @IsString()
  @Length(1, 100)
  challenge: string;

  /**
   * The six digits that the authenticator app shows, or one of the recovery codes.
   * @example "492039"
   */
  @IsString()
  @Length(6, 50)
  code: string;
}

/** The state of the caller's two-factor authentication. */
export class TwoFactorDto {
  /**
   * Whether signing in with a password requires a code.
   * @example true
   */
  enabled: boolean;
  confirmed_at: Date | null;
  /** @example 10 */
  recovery_codes_left: number;
}

/** A new TOTP secret, not yet confirmed. */
export class TwoFactorSecretDto {
  /**
   * The secret in base32, to type into the authenticator app.
   * @example JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP
   */
  secret: string;
  /**
   * The same secret as a URI, to show as a QR code.
   * @example otpauth://totp/Machi:hana.sato?issuer=Machi&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&algorithm=SHA1&digits=6&period=30
   */
  uri: string;
}

/** New recovery codes. */
export class RecoveryCodesDto {
  /**
   * Each replaces one app code, once. They are shown only in this response.
   * @example ["k7qm-2xvb-9dfh-w3tn"]
   */
  recovery_codes: string[];
}

import { Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsIn, IsInt, IsObject, IsOptional, Matches, ValidateNested } from 'class-validator';

/** Bytes in base64url without padding, as browsers send them, with at most `max` characters. */
const IsBase64Url = (max: number): PropertyDecorator =>
  Matches(new RegExp(`^[A-Za-z0-9_-]{1,${max}}$`), { message: '$property must be base64url' });

/** The fields of every credential: the JSON form of a PublicKeyCredential, with the names of WebAuthn. */
abstract class CredentialDto {
  /** @example VIlTM0VFyNzLDCZGmVRz7g */
  @IsBase64Url(1400)
  id: string;

  /**
   * The same value as `id`.
   * @example VIlTM0VFyNzLDCZGmVRz7g
   */
  @IsBase64Url(1400)
  rawId: string;

  /** @example public-key */
  @IsIn(['public-key'])
  type: 'public-key';

  /** @example platform */
  @IsOptional()
  @IsIn(['platform', 'cross-platform'])
  authenticatorAttachment?: 'platform' | 'cross-platform';

  /**
   * Not used.
   * @example { "credProps": { "rk": true } }
   */
  @IsObject()
  clientExtensionResults: Record<string, unknown>;
}

/** The authenticator's response to a registration. */
export class AttestationResponseDto {
  /** @example eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0 */
  @IsBase64Url(4096)
  clientDataJSON: string;

  /** @example o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YViU */
  @IsBase64Url(16_384)
  attestationObject: string;

  /**
   * Not used: the attestation object contains it. The same holds for the next two fields.
   * @example SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2M
   */
  @IsOptional()
  @IsBase64Url(16_384)
  authenticatorData?: string;

  /** @example MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE */
  @IsOptional()
  @IsBase64Url(8192)
  publicKey?: string;

  /** @example -7 */
  @IsOptional()
  @IsInt()
  publicKeyAlgorithm?: number;

  /**
   * How browsers can reach the authenticator.
   * @example ["internal", "hybrid"]
   */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(10)
  @Matches(/^[a-z-]{1,20}$/, { each: true })
  transports?: string[];
}

/** The authenticator's response to an authentication. */
export class AssertionResponseDto {
  /** @example eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0 */
  @IsBase64Url(4096)
  clientDataJSON: string;

  /** @example SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ */
  @IsBase64Url(4096)
  authenticatorData: string;

  /** @example MEUCIQDx3hAGdrvK2mIqpBPZ */
  @IsBase64Url(4096)
  signature: string;

  /**
   * The id of the passkey's owner.
   * @example AZnCpFseHD-PIT1am3weQg
   */
  @IsOptional()
  @IsBase64Url(86)
  userHandle?: string;
}

/** The result of `navigator.credentials.create()` as JSON. */
export class RegistrationDto extends CredentialDto {
  @IsObject()
  @ValidateNested()
  @Type(() => AttestationResponseDto)
  response: AttestationResponseDto;
}

/** The result of `navigator.credentials.get()` as JSON. */
export class AuthenticationDto extends CredentialDto {
  @IsObject()
  @ValidateNested()
  @Type(() => AssertionResponseDto)
  response: AssertionResponseDto;
}

import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import { IsOptional, IsString, Length } from 'class-validator';
import { RefreshDeliveryDto } from '../sessions/sessions.dto.js';
import { CurrentPasswordDto } from '../reauthentication.dto.js';
import type { ExternalIdentity } from './external-identity.entity.js';

/** A token of an identity provider. */
class ProviderTokenDto {
  /**
   * An access token or an ID token of the identity provider.
   * @example eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIn0.c2lnbmF0dXJl
   */
  @IsString()
  @Length(1, 16_384)
  token: string;

  /**
   * The issuer of the token. `oidc` or no value: the issuer that the token names.
   * @example https://id.example.org
   */
  @IsOptional()
  @IsString()
  @Length(1, 300)
  provider?: string;
}

/** A token of an identity provider, to sign in with. */
export class TokenExchangeDto extends IntersectionType(ProviderTokenDto, RefreshDeliveryDto) {}

/** A token of the identity to link, and the caller's current password. */
export class LinkIdentityDto extends IntersectionType(ProviderTokenDto, CurrentPasswordDto) {}

/** A linked external identity. */
export class ExternalIdentityDto {
  /** @example 0199c2a4-7c31-7b0e-8d52-4f6e8a9b0c1d */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /**
   * The issuer.
   * @example https://id.example.org
   */
  provider: string;
  /**
   * The subject at the issuer.
   * @example 248289761001
   */
  subject: string;
  created_at: Date;
  last_used_at: Date;
}

export const toExternalIdentityDto = ({
  id,
  issuer,
  subject,
  created_at,
  last_used_at,
}: ExternalIdentity): ExternalIdentityDto => ({
  id,
  provider: issuer,
  subject,
  created_at,
  last_used_at,
});

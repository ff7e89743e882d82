import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsObject, IsOptional, ValidateNested } from 'class-validator';
import { IsLine } from '../../http/validation.js';
import { RefreshDeliveryDto } from '../sessions/sessions.dto.js';
import { AuthenticationDto, RegistrationDto } from './credentials.dto.js';
import type { Passkey } from './passkey.entity.js';

/** A passkey to register. */
export class CreatePasskeyDto {
  /**
   * The name shown to the owner; by default the name of the device that registers it.
   * @example "My phone"
   */
  @IsOptional()
  @IsLine(1, 100)
  name?: string;

  @IsObject()
  @ValidateNested()
  @Type(() => RegistrationDto)
  credential: RegistrationDto;
}

/** A new name for a passkey. */
export class UpdatePasskeyDto {
  /** @example "My phone" */
  @IsLine(1, 100)
  name: string;
}

/** The authenticator's response to sign-in options. */
export class PasskeySignInDto extends RefreshDeliveryDto {
  @IsObject()
  @ValidateNested()
  @Type(() => AuthenticationDto)
  credential: AuthenticationDto;
}

/** A passkey as its owner sees it. */
export class PasskeyDto {
  /** @example 0199c2a4-9d21-7b64-a1f3-6c8e5d4b3a29 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example "My phone" */
  name: string;
  /**
   * Whether it is synchronised between devices of its owner.
   * @example true
   */
  is_synced: boolean;
  created_at: Date;
  last_used_at: Date | null;
}

export const toPasskeyDto = ({ id, name, is_synced, created_at, last_used_at }: Passkey): PasskeyDto => ({
  id,
  name,
  is_synced,
  created_at,
  last_used_at,
});

import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { InLowerCase } from '../../http/validation.js';

/** A person of the caller's account who wants to wait for a place. */
export class JoinWaitlistDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @InLowerCase()
  @IsUUID()
  registration_id: string;
}

/** A person who waits for a place of a session. */
export class WaitlistEntryDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @ApiProperty({ format: 'uuid' })
  registration_id: string;
  /**
   * 1: the person gets the next free place.
   * @example 3
   */
  position: number;
  created_at: Date;
}

/** The people of the caller's account who wait for a place of a session. */
export class WaitlistDto {
  items: WaitlistEntryDto[];
  /**
   * How many people wait, of all accounts.
   * @example 12
   */
  length: number;
}

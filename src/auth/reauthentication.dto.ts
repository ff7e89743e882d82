import { IsString, MaxLength } from 'class-validator';
import { IsOptionalNotNull } from '../http/validation.js';

/** The caller's current password, for a sensitive change. */
export class CurrentPasswordDto {
  /**
   * Leave it out for a user without a password, who must have signed in within the last ten minutes.
   * @example "cloudy harbour seven"
   */
  @IsOptionalNotNull()
  @IsString()
  @MaxLength(1000)
  current_password?: string;
}

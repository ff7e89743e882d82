import { IsString, MaxLength, ValidateIf } from 'class-validator';

export class CurrentPasswordDto {
  /**
   * Left out by users who have no password: they must have signed in within the last ten minutes.
   * @example "cloudy harbour seven"
   */
  @ValidateIf((_, value) => value !== undefined)
  @IsString()
  @MaxLength(1000)
  current_password?: string;
}

import { IsString, MaxLength } from 'class-validator';

/** The token of a mailed link. */
export class VerifyEmailDto {
  /**
   * The last part of the mailed link.
   * @example Zm9ydHktdHdvIGJ5dGVzIG9mIG5vdGhpbmcgYXQgYWxsLi4
   */
  @IsString()
  @MaxLength(100)
  token: string;
}

import { ApiProperty } from '@nestjs/swagger';
import { IsLine } from '../../http/validation.js';

/** A feed token to create. */
export class CreateFeedTokenDto {
  /**
   * Where it is used.
   * @example "Reader on the tablet"
   */
  @IsLine(1, 60)
  name: string;
}

/** A feed token, without its secret. */
export class FeedTokenDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5a */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example "Reader on the tablet" */
  name: string;
  created_at: Date;
}

/** The feed tokens of the caller. */
export class FeedTokensDto {
  items: FeedTokenDto[];
}

/** A new feed token. Its secret is in this answer only. */
export class NewFeedTokenDto extends FeedTokenDto {
  /**
   * The last part of the addresses of personal feeds, and the password for comic readers; they take any user name.
   * @example mft_pQ0mW0o1n8Zk3d2Yf5h7J9xL4bV6cN1aS8tR2eU0wKq
   */
  token: string;
  /**
   * The address of the personal feed, without its ending: add `.rss`, `.atom` or `.json`.
   * @example https://machi.example.org/api/feeds/me/mft_pQ0mW0o1n8Zk3d2Yf5h7J9xL4bV6cN1aS8tR2eU0wKq
   */
  feed_url: string;
}

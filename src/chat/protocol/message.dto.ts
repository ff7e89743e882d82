import { ApiProperty } from '@nestjs/swagger';

/** A picture of a message. */
export class AttachmentDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /**
   * Of the original.
   * @example image/jpeg
   */
  @ApiProperty({ enum: ['image/jpeg', 'image/png', 'image/webp', 'image/avif'] })
  media_type: string;
  /**
   * Of the original, in pixels.
   * @example 1784
   */
  width: number;
  /** @example 2560 */
  height: number;
  /**
   * The size of the original.
   * @example 482133
   */
  bytes: number;
}

/** A message as old clients get it. */
export class MessageDto {
  /** @example 4712 */
  id: number;
  /**
   * "[deleted]" if the user has been deleted.
   * @example hana.sato
   */
  sender_username: string;
  /** @example 4711 */
  reply_id: number | null;
  /**
   * "[deleted]" if the message has been deleted, "[blocked]" if the reader has blocked the sender. Empty for a message with nothing but
   * attachments; then old clients get "[attachment]".
   * @example "The lanterns are up."
   */
  content: string;
  /**
   * In unix seconds.
   * @example 1795276800
   */
  sent_at: number;
  /** Only for `machi.v2` and over HTTP, and only if the message has some; at most 10. */
  attachments?: AttachmentDto[];
}

/** How many members have reacted to a message with an emoji. */
export class ReactionDto {
  /** @example 🎉 */
  emoji: string;
  /** @example 3 */
  count: number;
  /**
   * Whether the reader is one of them.
   * @example false
   */
  is_own: boolean;
}

/** A message as clients of `machi.v2` and of the HTTP API get it. */
export class FullMessageDto extends MessageDto {
  /**
   * When the content was last changed, in unix seconds.
   * @example 1795276900
   */
  edited_at: number | null;
  /** @example false */
  is_deleted: boolean;
  /** The most frequent reactions, at most 20. */
  reactions: ReactionDto[];
}

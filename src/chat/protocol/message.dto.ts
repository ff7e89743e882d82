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
   * "[deleted]" if the message has been deleted, "[blocked]" if the reader has blocked the sender.
   * @example "The lanterns are up."
   */
  content: string;
  /**
   * In unix seconds.
   * @example 1795276800
   */
  sent_at: number;
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

import { IsId, IsOptionalId, IsOptionalText, IsVisibleText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';

/** The fields of a `send_message` request. */
export class SendMessageFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /**
   * Stored and returned unchanged.
   * @example "The lanterns are up."
   */
  @IsVisibleText(16_000) content: string;
  /**
   * A message of the same conversation.
   * @example 4711
   */
  @IsOptionalId() reply_id?: number | null;
  /**
   * Chosen by the client, unique per message. A message that is sent again with the same nonce is stored once.
   * @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42
   */
  @IsOptionalText(64) nonce?: string | null;
}

/** The fields of a `get_messages` request. */
export class GetMessagesFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /**
   * Returns only messages with smaller ids.
   * @example 4711
   */
  @IsOptionalId() before?: number | null;
}

/** A message in a page of `get_messages`. */
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
  /** @example "The lanterns are up." */
  content: string;
  /**
   * In unix seconds.
   * @example 1795276800
   */
  sent_at: number;
}

/** A message as it is sent to the members of its conversation. */
export class SentMessageDto extends MessageDto {
  /** @example 12 */
  conversation_id: number;
}

/** A page of messages. */
export class MessagesDto {
  /** @example 12 */
  conversation_id: number;
  /** Newest first, at most 100. */
  messages: MessageDto[];
}

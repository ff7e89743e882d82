import { IsId, IsOptionalId, IsOptionalText, IsText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request.dto.js';

export class SendMessageFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /**
   * Kept byte for byte.
   * @example "The lanterns are up."
   */
  @IsText(16_000) content: string;
  /**
   * A message of the same conversation.
   * @example 4711
   */
  @IsOptionalId() reply_id?: number | null;
  /**
   * Made up by the client, once a message: sent again with the same one, the message is not doubled.
   * @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42
   */
  @IsOptionalText(64) nonce?: string | null;
}

export class GetMessagesFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /**
   * Only messages older than this one.
   * @example 4711
   */
  @IsOptionalId() before?: number | null;
}

export class MessageDto {
  /** @example 4712 */
  id: number;
  /**
   * "[deleted]" when the user has been deleted.
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

export class SentMessageDto extends MessageDto {
  /** @example 12 */
  conversation_id: number;
}

export class MessagesDto {
  /** @example 12 */
  conversation_id: number;
  /** Newest first, at most 100. */
  messages: MessageDto[];
}

import type { Page } from '../../http/pagination.dto.js';
import { ApiProperty } from '@nestjs/swagger';
import { ValidateIf } from 'class-validator';
import { IsId, IsOptionalId, IsOptionalText, IsOptionalUuids, IsVisibleText } from '../protocol/field-decorators.js';
import { FullMessageDto, MessageDto, ReactionDto } from '../protocol/message.dto.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';

const MAX_CONTENT = 16_000;
const MAX_ATTACHMENTS = 10;

/** The fields of a `send_message` request of old clients. */
export class SendTextFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /**
   * Stored and returned unchanged.
   * @example "The lanterns are up."
   */
  @IsVisibleText(MAX_CONTENT) content: string;
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

/** The fields of a `send_message` request. */
export class SendMessageFrame extends SendTextFrame {
  /**
   * Stored and returned unchanged. May be empty if there are attachments.
   * @example "The lanterns are up."
   */
  @ValidateIf(({ content, attachments }: SendMessageFrame) => content !== '' || !attachments?.length)
  @IsVisibleText(MAX_CONTENT)
  @ApiProperty({ minLength: 0 })
  override content: string;
  /**
   * Only for `machi.v2`: ids of attachments that the sender has uploaded. Each can be sent once.
   * @example []
   */
  @IsOptionalUuids(MAX_ATTACHMENTS) attachments?: string[] | null;
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
export class ListedMessageDto extends MessageDto {
  /**
   * Only for `machi.v2`: when the content was last changed, in unix seconds; null if never.
   * @example 1795276900
   */
  edited_at?: number | null;
  /**
   * Only for `machi.v2`.
   * @example false
   */
  is_deleted?: boolean;
  /** Only for `machi.v2`: the most frequent reactions, at most 20. */
  reactions?: ReactionDto[];
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
  messages: ListedMessageDto[];
}

/** A page of messages, newest first. */
export class MessagesPageDto implements Page<FullMessageDto> {
  items: FullMessageDto[];
  /** Null on the last page. */
  next_cursor: string | null;
}

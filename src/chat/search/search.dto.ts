import { IsString, MaxLength, MinLength } from 'class-validator';
import { type Page, PageQueryDto } from '../../http/pagination.dto.js';
import { IsId, IsOptionalId, IsVisibleText } from '../protocol/field-decorators.js';
import { FullMessageDto } from '../protocol/message.dto.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';

const MAX_QUERY = 100;

/** The fields of a `search_messages` request. */
export class SearchMessagesFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /**
   * Words, or parts of words: messages that contain each of them, whatever their case and accents.
   * @example lantern
   */
  @IsVisibleText(MAX_QUERY) query: string;
  /**
   * Returns only messages with smaller ids.
   * @example 4711
   */
  @IsOptionalId() before?: number | null;
}

/** Found messages. */
export class FoundMessagesDto {
  /** @example 12 */
  conversation_id: number;
  /** Newest first, at most 50. */
  messages: FullMessageDto[];
  /**
   * `before` of the next page; null on the last one.
   * @example 4711
   */
  next: number | null;
}

/** Query parameters of a search in a conversation. */
export class SearchMessagesQueryDto extends PageQueryDto {
  /**
   * Words, or parts of words: messages that contain each of them, whatever their case and accents.
   * @example lantern
   */
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_QUERY)
  q: string;
}

/** A page of found messages, newest first. */
export class FoundMessagesPageDto implements Page<FullMessageDto> {
  items: FullMessageDto[];
  /** Null on the last page. */
  next_cursor: string | null;
}

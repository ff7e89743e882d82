import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import type { Page } from '../../http/pagination.dto.js';
import { ConversationDto, ConversationInfoDto } from '../conversations/conversations.dto.js';
import { ConversationEventDto } from '../events/conversation-events.dto.js';
import { IsCursors, IsId, IsOptionalId } from '../protocol/field-decorators.js';
import { FullMessageDto } from '../protocol/message.dto.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';
import { ROLES, type Role } from '../protocol/roles.js';

const MAX_CURSORS = 100;

/** The fields of a `sync` request. */
export class SyncFrame extends RequestFrame {
  /**
   * `next` of the page before: returns only conversations with smaller ids.
   * @example 12
   */
  @IsOptionalId() before?: number | null;
}

/** A conversation as its members see it in a list. */
export class ConversationSummaryDto extends ConversationDto {
  /**
   * Of the last event; the cursor for `resume`, together with the id of the last message.
   * @example 47
   */
  revision: number;
  /** @example 3 */
  members_count: number;
  /** The role of the caller. */
  @ApiProperty({ enum: ROLES, example: 'owner' })
  role: Role;
  /**
   * Messages after the last one that the caller has read or sent; deleted ones count.
   * @example 2
   */
  unread_count: number;
  /**
   * The last message that the caller has read or sent; null if there is none.
   * @example 4710
   */
  read_message_id: number | null;
  /** Null if there is none that the caller may see. */
  last_message: FullMessageDto | null;
}

/** A page of the caller’s conversations, newest first. */
export class SyncDto {
  /** At most 100. */
  conversations: ConversationSummaryDto[];
  /**
   * `before` of the next page; null on the last one.
   * @example 12
   */
  next: number | null;
}

/** A page of the caller’s conversations, newest first. */
export class ConversationsPageDto implements Page<ConversationSummaryDto> {
  items: ConversationSummaryDto[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** What a client knows of a conversation. */
export class CursorDto {
  /** @example 12 */
  conversation_id: number;
  /**
   * The id of the last message; 0 if there is none.
   * @example 4711
   */
  message_id: number;
  /**
   * The revision of the last event.
   * @example 46
   */
  revision: number;
}

/** The fields of a `resume` request. */
export class ResumeFrame extends RequestFrame {
  /** What the client knows; each conversation once, at most 100. */
  @IsCursors(MAX_CURSORS)
  cursors: CursorDto[];
}

/** What a client has missed of a conversation. */
export class ResumedConversationDto extends CursorDto {
  /**
   * False: the caller is not a member any more, or there is no such conversation.
   * @example true
   */
  is_member: boolean;
  /**
   * More is missing: send `resume` again with the cursor of this answer.
   * @example false
   */
  truncated: boolean;
  /** In their order. */
  events: ConversationEventDto[];
}

/** The result of `resume`. Its cursors include the events. */
export class ResumedDto {
  /** In the order of the request. */
  conversations: ResumedConversationDto[];
}

/** The fields of a `mark_read` request. */
export class MarkReadFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /**
   * The last message that the user has read.
   * @example 4711
   */
  @IsId() message_id: number;
}

/** The read position to set. */
export class MarkReadDto {
  /**
   * The last message that the user has read.
   * @example 4711
   */
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  message_id: number;
}

/** The read position of the caller. */
export class ReadPositionDto {
  /** @example 12 */
  conversation_id: number;
  /**
   * Never moves backwards.
   * @example 4711
   */
  read_message_id: number;
  /** @example 0 */
  unread_count: number;
}

/** A member has read the messages up to this one. */
export class MessageReadDto {
  /** @example 12 */
  conversation_id: number;
  /** @example ren.ito */
  username: string;
  /** @example 4711 */
  message_id: number;
}

/** The fields of a `typing` request. */
export class TypingFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
}

/** The other members are told, at most every 3 seconds. */
export class TypingDto {
  /** @example 12 */
  conversation_id: number;
}

/** A member is writing; forget it after 5 seconds. */
export class UserTypingDto {
  /** @example 12 */
  conversation_id: number;
  /** @example ren.ito */
  username: string;
}

/** How many frames of this connection are answered. */
export class AckDto {
  /**
   * All frames of this connection up to this number, counted from 1, are answered, and what they changed is stored. The one with
   * the request itself is the last of them.
   * @example 12
   */
  frames: number;
}

/** A conversation as a file. */
export class ConversationExportDto extends ConversationInfoDto {
  /** Newest first. */
  messages: FullMessageDto[];
}

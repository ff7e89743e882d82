import { IsId, IsNames, IsOptionalId, IsOptionalLine } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';

const MAX_MEMBERS = 1000;

/** The fields of a `create_conversation` request. */
export class CreateConversationFrame extends RequestFrame {
  /**
   * Usernames. The caller is always a member and need not be listed.
   * @example ["ren.ito", "mei.kato"]
   */
  @IsNames(MAX_MEMBERS, 100) members: string[];
  /**
   * By default, the usernames of the members.
   * @example "Harbour festival"
   */
  @IsOptionalLine(100) name?: string | null;
}

/** The fields of a `get_conversations` request. */
export class GetConversationsFrame extends RequestFrame {
  /**
   * Returns only conversations with smaller ids.
   * @example 12
   */
  @IsOptionalId() before?: number | null;
}

/** The fields of a `get_conversation_info` request. */
export class ConversationFrame extends RequestFrame {
  /** @example 12 */
  @IsId() id: number;
}

/** A conversation in a list. */
export class ConversationDto {
  /** @example 12 */
  id: number;
  /** @example "Harbour festival" */
  name: string;
}

/** A conversation with the usernames of its members. */
export class ConversationInfoDto extends ConversationDto {
  /** @example ["hana.sato", "ren.ito", "mei.kato"] */
  members: string[];
}

import { IsId, IsNames, IsOptionalText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request.dto.js';

export const MAX_MEMBERS = 1000;

export class CreateConversationFrame extends RequestFrame {
  /**
   * Usernames; one's own need not be among them.
   * @example ["ren.ito", "mei.kato"]
   */
  @IsNames(MAX_MEMBERS, 100) members: string[];
  /**
   * Left out, it is made from the members' names.
   * @example "Harbour festival"
   */
  @IsOptionalText(100) name?: string | null;
}

export class ConversationFrame extends RequestFrame {
  /** @example 12 */
  @IsId() id: number;
}

export class ConversationDto {
  /** @example 12 */
  id: number;
  /** @example "Harbour festival" */
  name: string;
}

export class ConversationInfoDto extends ConversationDto {
  /** @example ["hana.sato", "ren.ito", "mei.kato"] */
  members: string[];
}

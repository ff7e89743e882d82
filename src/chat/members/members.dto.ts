import { ApiProperty } from '@nestjs/swagger';
import { IsId, IsLine, IsNames, IsOneOf, IsOptionalText, IsText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';
import { ROLES, type Role } from '../protocol/roles.js';

/** The fields of a `leave` request. */
export class LeaveFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
}

/** The result of `leave`. */
export class LeftDto {
  /** @example 12 */
  conversation_id: number;
}

/** The fields of a `rename` request. */
export class RenameFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /** @example "Harbour festival 2027" */
  @IsLine(100) name: string;
}

/** The fields of an `add_members` request. */
export class AddMembersFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /**
   * Usernames. Those who are members already stay as they are.
   * @example ["mei.kato"]
   */
  @IsNames(100, 100) members: string[];
}

/** The fields of a `remove_member` request. */
export class MemberFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /** @example mei.kato */
  @IsText(100) username: string;
}

/** The fields of a `set_role` request. */
export class SetRoleFrame extends MemberFrame {
  /** @example admin */
  @IsOneOf(ROLES) role: Role;
}

/** The fields of a `get_members` request. */
export class GetMembersFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /**
   * The username of the last member of the previous page, also if it is "[deleted]". Returns only members who follow it.
   * @example hana.sato
   */
  @IsOptionalText(100) after?: string | null;
}

/** A member of a conversation. */
export class MemberDto {
  /**
   * "[deleted]" if the user has been deleted.
   * @example hana.sato
   */
  username: string;
  @ApiProperty({ enum: ROLES, example: 'owner' })
  role: Role;
  /**
   * The last message that the member has read or sent. Null if there is none, and between users of whom one has blocked the
   * other.
   * @example 4711
   */
  read_message_id: number | null;
}

/** Members of a conversation, in alphabetical order, deleted users last. */
export class MembersDto {
  /** @example 12 */
  conversation_id: number;
  /** At most 500. If the last one is a deleted user, all deleted users of the conversation follow, however many they are. */
  members: MemberDto[];
}

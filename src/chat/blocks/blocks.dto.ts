import type { Page } from '../../http/pagination.dto.js';
import { IsText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';

/** The fields of `block` and `unblock`. */
export class BlockFrame extends RequestFrame {
  /** @example ren.ito */
  @IsText(100) username: string;
}

/** A user whom the caller has blocked, or has unblocked. */
export class BlockedUserDto {
  /** @example ren.ito */
  username: string;
}

/** A page of the users whom the caller has blocked, in alphabetical order. */
export class BlockedUsersPageDto implements Page<BlockedUserDto> {
  items: BlockedUserDto[];
  /** Null on the last page. */
  next_cursor: string | null;
}

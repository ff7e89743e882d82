import { IsOptionalId, IsOptionalText, IsText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';

/** The fields of `add_contact`, `accept_contact` and `remove_contact`. */
export class ContactFrame extends RequestFrame {
  /** @example ren.ito */
  @IsText(100) contact_username: string;
}

/** The fields of a `get_contacts` request. */
export class GetContactsFrame extends RequestFrame {
  /**
   * Only for `machi.v2`: returns only usernames that follow this one in alphabetical order.
   * @example mei.kato
   */
  @IsOptionalText(100) after?: string | null;
}

/** The fields of a `get_contact_requests` request. */
export class GetContactRequestsFrame extends RequestFrame {
  /**
   * Returns only contact requests with smaller ids.
   * @example 7
   */
  @IsOptionalId() before?: number | null;
}

/** A user as the chat shows them. */
export class ChatUserDto {
  /** @example hana.sato */
  username: string;
  /** @example "Hana Sató" */
  fullname: string;
  /** @example true */
  is_online: boolean;
  /**
   * The end of the last connection, in unix seconds. The current time if the user is online; the time of registration if
   * the user has never been connected.
   * @example 1795276800
   */
  last_online: number;
  /**
   * The time of registration, in unix seconds.
   * @example 1795190400
   */
  created_at: number;
}

/** The result of `add_contact`. */
export class ContactAddedDto {
  /** @example "contact added" */
  message: string;
  /** Null in `machi.v2` while the other user has not accepted. */
  contact: ChatUserDto | null;
}

/** The result of `accept_contact`. Pushed as `contact_accepted` to the user who sent the request. */
export class ContactDto {
  contact: ChatUserDto;
}

/** The result of `remove_contact`. */
export class ContactRemovedDto {
  /** @example ren.ito */
  contact_username: string;
}

/** A contact request that waits for an answer. Pushed as `contact_request` to the user who gets it. */
export class ContactRequestDto {
  /** @example 7 */
  id: number;
  /**
   * The other user.
   * @example ren.ito
   */
  username: string;
  /** @example "Ren Ito" */
  fullname: string;
  /**
   * Whether the other user has sent it.
   * @example true
   */
  is_incoming: boolean;
  /**
   * In unix seconds.
   * @example 1795276800
   */
  requested_at: number;
}

/** The result of `get_contacts`. */
export class ContactsDto {
  /** @example "contacts retrieved" */
  message: string;
  /** @example ["ren.ito"] */
  contacts: string[];
}

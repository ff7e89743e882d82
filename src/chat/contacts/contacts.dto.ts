import { IsText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';

/** The fields of an `add_contact` request. */
export class AddContactFrame extends RequestFrame {
  /** @example ren.ito */
  @IsText(100) contact_username: string;
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
  contact: ChatUserDto;
}

/** The result of `get_contacts`. */
export class ContactsDto {
  /** @example "contacts retrieved" */
  message: string;
  /** @example ["ren.ito"] */
  contacts: string[];
}

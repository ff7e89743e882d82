import { IsText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request.dto.js';

export class AddContactFrame extends RequestFrame {
  /** @example ren.ito */
  @IsText(100) contact_username: string;
}

export class PersonDto {
  /** @example hana.sato */
  username: string;
  /** @example "Hana Sató" */
  fullname: string;
  /** @example true */
  is_online: boolean;
  /**
   * When they were last connected, in unix seconds: now, for somebody online; when they registered, for somebody who
   * has never been.
   * @example 1795276800
   */
  last_online: number;
  /**
   * When they registered, in unix seconds.
   * @example 1795190400
   */
  created_at: number;
}

export class ContactAddedDto {
  /** @example "contact added" */
  message: string;
  contact: PersonDto;
}

export class ContactsDto {
  /** @example "contacts retrieved" */
  message: string;
  /** @example ["ren.ito"] */
  contacts: string[];
}

export class UserStatusDto {
  /** @example ren.ito */
  username: string;
  /** @example true */
  is_online: boolean;
}

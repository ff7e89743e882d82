import { IsText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';

/** A token of a session with many groups has some 5,000 characters. */
const MAX_TOKEN_LENGTH = 16_384;

export class AuthFrame extends RequestFrame {
  /**
   * An identity token. On an authenticated connection: a fresh one of the same session.
   * @example eyJhbGciOiJIUzI1NiJ9.e30.x
   */
  @IsText(MAX_TOKEN_LENGTH) identity_token: string;
}

export class HelloUserDto {
  /** @example "0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a" */
  id: string;
  /** @example hana.sato */
  username: string;
  /** @example "Hana Sato" */
  fullname: string;
}

export class HelloLimitsDto {
  /**
   * A longer frame closes the connection with 1009.
   * @example 1048576
   */
  frame_bytes: number;
  /** @example 500 */
  frame_burst: number;
  /** @example 100 */
  frames_per_second: number;
  /** @example 300 */
  message_burst: number;
  /** @example 20 */
  messages_per_second: number;
}

/** Sent once to a client of `machi.v2` when its connection is admitted. */
export class HelloDto {
  user: HelloUserDto;
  /**
   * When the identity token expires, in unix seconds, and with it the connection unless `auth` renews it; null: never.
   * @example 1796000000
   */
  expires_at: number | null;
  /**
   * In unix seconds.
   * @example 1795999100
   */
  server_time: number;
  limits: HelloLimitsDto;
}

/** The new expiry of a connection. */
export class AuthenticatedDto {
  /**
   * In unix seconds; null: never.
   * @example 1796000000
   */
  expires_at: number | null;
}

/** Sent 30 seconds before a connection expires. */
export class ExpiringDto {
  /**
   * In unix seconds.
   * @example 1796000000
   */
  expires_at: number;
}

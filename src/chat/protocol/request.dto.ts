import { IsOptionalText } from './field-decorators.js';

/** A frame with nothing but its type. */
export class RequestFrame {
  /**
   * Comes back in the answer, for this connection alone.
   * @example 7f3a
   */
  @IsOptionalText(64) request_id?: string | null;
}

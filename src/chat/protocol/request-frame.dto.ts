import { IsOptionalText } from './field-decorators.js';

/** The fields that every request may carry, beside its `type`. */
export class RequestFrame {
  /**
   * Chosen by the client; returned in the response, to the requesting connection only.
   * @example 7f3a
   */
  @IsOptionalText(64) request_id?: string | null;
}

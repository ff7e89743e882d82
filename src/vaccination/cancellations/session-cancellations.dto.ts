import { IsFreeText } from '../registrations/free-text.js';

/** Why a session is cancelled. */
export class CancelVaccinationSessionDto {
  /**
   * Shown to the people who had an appointment.
   * @example "The delivery of the vaccine is late."
   */
  @IsFreeText(1, 300)
  reason: string;
}

/** What a route answers that may send a mail: always the same. */
export class MailAcceptedDto {
  /** @example "If there is something to send, it is on its way." */
  message: string;
}

export const MAIL_ACCEPTED: Readonly<MailAcceptedDto> = Object.freeze({
  message: 'If there is something to send, it is on its way.',
});

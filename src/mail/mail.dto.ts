/** The answer of routes that may send a mail. Always the same, so that it reveals nothing about the address. */
export class MailAcceptedDto {
  /** @example "If there is something to send, it is on its way." */
  message: string;
}

/** The only instance. */
export const MAIL_ACCEPTED: Readonly<MailAcceptedDto> = Object.freeze({
  message: 'If there is something to send, it is on its way.',
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Where and when an account was changed or used. */
export interface SecurityContext {
  at: Date;
  /** Null outside of a request. */
  ip: string | null;
  device?: string;
}

interface MailText {
  subject: string;
  text: string;
}

interface MailTemplate<V> {
  /** In milliseconds. A mail that could not be sent within this time is not sent any more. */
  lifetime: number;
  write: (app: string, values: V) => MailText;
}

const template = <V>(lifetime: number, write: MailTemplate<V>['write']): MailTemplate<V> => ({ lifetime, write });

const describe = ({ at, ip, device }: SecurityContext): string =>
  [
    `When:   ${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    ...(device === undefined ? [] : [`Device: ${device}`]),
    ...(ip === null ? [] : [`From:   ${ip}`]),
  ].join('\n');

const compose = (app: string, ...paragraphs: string[]): string =>
  `${['Hello,', ...paragraphs, `Your ${app}`].join('\n\n')}\n`;

const IF_NOT_YOU =
  'If this was not you, reset your password now ("forgotten password"). If that does not work, contact an administrator.';

/**
 * All kinds of mail. No text contains the username or full name: a person who registers with another person's address could
 * otherwise put text of their choice into our mail.
 */
export const MAILS = {
  reset_code: template<{ code: string }>(10 * MINUTE, (app, { code }) => ({
    subject: `Your code for a new ${app} password`,
    text: compose(
      app,
      `we received a request to reset the password of your account. Your code is\n\n    ${code}`,
      'It is valid for ten minutes and can be used once. A newer code replaces it. We will never ask you for this code.',
      'If you did not request it, you do not need to do anything: your password is unchanged.',
    ),
  })),
  email_verification: template<{ link: string }>(DAY, (app, { link }) => ({
    subject: `Confirm your e-mail address for ${app}`,
    text: compose(
      app,
      `this address was entered for an account at ${app}. If that was you, confirm it with this link:`,
      link,
      'The link is valid for one day and can be used once. If it was not you, you do not need to do anything.',
    ),
  })),
  password_changed: template<SecurityContext>(3 * DAY, (app, securityContext) => ({
    subject: `Your ${app} password was changed`,
    text: compose(
      app,
      'the password of your account was changed, and all devices were signed out.',
      describe(securityContext),
      IF_NOT_YOU,
    ),
  })),
  email_changed: template<SecurityContext>(3 * DAY, (app, securityContext) => ({
    subject: `Your ${app} e-mail address was changed`,
    text: compose(
      app,
      'the e-mail address of your account was changed, and all devices were signed out. We will send no further mail to this address.',
      describe(securityContext),
      'If this was not you, contact an administrator now: the password can no longer be reset with this address.',
    ),
  })),
  new_device: template<SecurityContext>(3 * DAY, (app, securityContext) => ({
    subject: `New sign-in to your ${app} account`,
    text: compose(app, 'a new device signed in to your account.', describe(securityContext), IF_NOT_YOU),
  })),
  refresh_reuse: template<SecurityContext>(3 * DAY, (app, securityContext) => ({
    subject: `A ${app} device was signed out for safety`,
    text: compose(
      app,
      'a sign-in token of one of your devices was used twice. It may have been copied, so we signed that device out. Please sign in there again.',
      describe(securityContext),
      'If this happens again, or if you do not know the device, change your password.',
    ),
  })),
};

export type MailKind = keyof typeof MAILS;

/** The values that a mail of this kind contains. */
export type ValuesOf<K extends MailKind> = Parameters<(typeof MAILS)[K]['write']>[1];

export const writeMail = <K extends MailKind>(app: string, kind: K, values: ValuesOf<K>): MailText =>
  (MAILS[kind] as unknown as MailTemplate<ValuesOf<K>>).write(app, values);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Where and when something was done to an account. */
export interface SecurityContext {
  at: Date;
  ip: string | null;
  device?: string;
}

interface Text {
  subject: string;
  text: string;
}

interface MailForm<V> {
  /** How long the mail is worth sending, in milliseconds. */
  lifetime: number;
  write: (app: string, values: V) => Text;
}

const form = <V>(lifetime: number, write: MailForm<V>['write']): MailForm<V> => ({ lifetime, write });

const when = ({ at, ip, device }: SecurityContext): string =>
  [
    `When:   ${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    ...(device === undefined ? [] : [`Device: ${device}`]),
    ...(ip === null ? [] : [`From:   ${ip}`]),
  ].join('\n');

const letter = (app: string, ...paragraphs: string[]): string =>
  `${['Hello,', ...paragraphs, `Your ${app}`].join('\n\n')}\n`;

const NOT_YOU =
  'If this was not you, reset your password at once ("forgotten password"), and tell an administrator if you cannot.';

/**
 * Every mail that is ever sent. None of them addresses its reader by a name that somebody typed: whoever registers with a
 * stranger's address must not be able to put words into a mail of ours.
 */
export const MAILS = {
  reset_code: form<{ code: string }>(10 * MINUTE, (app, { code }) => ({
    subject: `Your code for a new ${app} password`,
    text: letter(
      app,
      `somebody, hopefully you, has asked for a new password. The code is\n\n    ${code}`,
      'It works for ten minutes and only once, and only the newest code counts. Nobody of us will ever ask you for it.',
      'If it was not you, there is nothing to do: without the code your password stays as it is.',
    ),
  })),
  email_verification: form<{ link: string }>(DAY, (app, { link }) => ({
    subject: `Is this your e-mail address? (${app})`,
    text: letter(
      app,
      `this address was given for an account of ${app}. If that was you, open this link and confirm:`,
      link,
      'It works for a day and only once. If it was not you, there is nothing to do.',
    ),
  })),
  password_changed: form<SecurityContext>(3 * DAY, (app, securityContext) => ({
    subject: `Your ${app} password was changed`,
    text: letter(
      app,
      'the password of your account was changed, and all devices have been signed out.',
      when(securityContext),
      NOT_YOU,
    ),
  })),
  email_changed: form<SecurityContext>(3 * DAY, (app, securityContext) => ({
    subject: `Your ${app} e-mail address was changed`,
    text: letter(
      app,
      'your account has another e-mail address from now on, and all devices have been signed out. This is the last mail to this address.',
      when(securityContext),
      'If this was not you, tell an administrator at once: this address cannot reset the password any more.',
    ),
  })),
  new_device: form<SecurityContext>(3 * DAY, (app, securityContext) => ({
    subject: `New sign-in to your ${app} account`,
    text: letter(
      app,
      'somebody has signed in to your account on a device that is new to us.',
      when(securityContext),
      NOT_YOU,
    ),
  })),
  refresh_theft: form<SecurityContext>(3 * DAY, (app, securityContext) => ({
    subject: `A ${app} device was signed out for safety`,
    text: letter(
      app,
      'a sign-in of yours was used twice, as if somebody had copied it. We have signed that device out; sign in there again.',
      when(securityContext),
      'If it happens again, or if you do not know the device, change your password.',
    ),
  })),
};

export type MailKind = keyof typeof MAILS;

/** What the text of this kind of mail is made from. */
export type ValuesOf<K extends MailKind> = Parameters<(typeof MAILS)[K]['write']>[1];

export const writeMail = <K extends MailKind>(app: string, kind: K, values: ValuesOf<K>): Text =>
  (MAILS[kind] as unknown as MailForm<ValuesOf<K>>).write(app, values);

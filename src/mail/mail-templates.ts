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
  'If this was not you, reset your password now ("forgotten password"). That signs out all devices and removes what was added lately. If it does not work, contact an administrator.';

/** A notice that something about signing in to the account has changed. */
const notice = (subject: string, sentence: string): MailTemplate<SecurityContext> =>
  template(3 * DAY, (app, securityContext) => ({
    subject: `${subject} your ${app} account`,
    text: compose(app, sentence, describe(securityContext), IF_NOT_YOU),
  }));

/** What a password reset by mail has removed and kept, one line each. */
export interface RecoveryReport extends SecurityContext {
  /** Whether the reset was the first proof that the user receives mail at the address. */
  isFirstProof: boolean;
  removed: string[];
  kept: string[];
  /** Removes what was kept. */
  link: string | undefined;
  isTwoFactorKept: boolean;
}

const list = (lines: string[]): string => lines.map((line) => `    ${line}`).join('\n');

function describeRecovery({ isFirstProof, removed, kept, link, isTwoFactorKept }: RecoveryReport): string[] {
  const reason = isFirstProof
    ? 'Your address had not been confirmed before, so everything that was set up for signing in was removed'
    : 'What was added lately was removed, in case someone else added it';
  return [
    ...(removed.length === 0 ? [] : [`${reason}:\n\n${list(removed)}`]),
    ...(kept.length === 0 ? [] : [`These are older and can still sign in:\n\n${list(kept)}`]),
    ...(link === undefined ? [] : ['If you do not know them, remove all of them with this link:', link]),
    ...(isTwoFactorKept
      ? [
          'Two-factor authentication is still on, and signing in asks for a code. Without your authenticator app, use a recovery code or contact an administrator.',
        ]
      : []),
  ];
}

/**
 * All kinds of mail. No text contains a word that a client can choose, such as a username, a full name, the name of a passkey
 * or a user agent: with another person's address in an account, our mail would deliver such words to that person.
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
      `this address was entered for an account at ${app}. If that was you, open this link and confirm it with the password of the account:`,
      link,
      'The link is valid for one day and can be used once. If it was not you, open the link and choose "I did not register this account": the address is then removed from that account.',
    ),
  })),
  email_taken: template<SecurityContext>(3 * DAY, (app, securityContext) => ({
    subject: `Your ${app} account already has this e-mail address`,
    text: compose(
      app,
      `someone asked to use this address for another account at ${app}. It belongs to your account, so nothing has changed.`,
      describe(securityContext),
      'If that was you, sign in to the account that has this address, or remove the address there first. If it was not you, you do not need to do anything.',
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
  password_reset: template<RecoveryReport>(3 * DAY, (app, report) => ({
    subject: `Your ${app} password was changed`,
    text: compose(
      app,
      'the password of your account was reset with a mailed code, and all devices were signed out.',
      describe(report),
      ...describeRecovery(report),
      'If this was not you, another person can read your mail: change the password of your mailbox, then reset this password again.',
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
  passkey_added: notice('A passkey was added to', 'a passkey was added to your account. It can sign in.'),
  passkey_removed: notice('A passkey was removed from', 'a passkey was removed from your account.'),
  identity_linked: notice(
    'A sign-in service was linked to',
    'an account of another sign-in service was linked to your account. It can sign in.',
  ),
  identity_unlinked: notice(
    'A sign-in service was unlinked from',
    'an account of another sign-in service was unlinked from your account.',
  ),
  two_factor_enabled: notice(
    'Two-factor authentication was turned on for',
    'two-factor authentication was turned on for your account. Signing in with the password now asks for a code.',
  ),
  two_factor_disabled: notice(
    'Two-factor authentication was turned off for',
    'two-factor authentication was turned off for your account. Signing in no longer asks for a code.',
  ),
  recovery_codes_renewed: notice(
    'New recovery codes for',
    'new recovery codes were created for your account. The old ones no longer work.',
  ),
  data_export_requested: notice(
    'A copy of the data was requested from',
    'a copy of everything that is stored about you was requested. It can be downloaded for one day.',
  ),
  methods_removed: notice(
    'Sign-in methods were removed from',
    'the passkeys and linked sign-in services that our last mail listed were removed from your account, and all devices were signed out.',
  ),
};

/** Kinds of mail that contain nothing but when, where and on which device something happened. */
export type NoticeKind = {
  [K in MailKind]: SecurityContext extends ValuesOf<K> ? K : never;
}[MailKind];

export type MailKind = keyof typeof MAILS;

/** The values that a mail of this kind contains. */
export type ValuesOf<K extends MailKind> = Parameters<(typeof MAILS)[K]['write']>[1];

export const writeMail = <K extends MailKind>(app: string, kind: K, values: ValuesOf<K>): MailText =>
  (MAILS[kind] as unknown as MailTemplate<ValuesOf<K>>).write(app, values);

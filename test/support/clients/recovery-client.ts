import { PASSWORD, type SignedInUser, type TestApp } from '../app.js';
import { ORIGIN, passkeyClient, type PasskeyUser } from './passkey-client.js';
import { addressOf, mailboxes, type ReceivedMail, type Smtp } from '../servers/smtp-server.js';
import { codeAt } from './totp.js';
import { VirtualAuthenticator } from './virtual-authenticator.js';

export const DAY = 86_400_000;
export const NEW_PASSWORD = 'silent meadow ninety';

/** Settings under which passkeys and external identities work and no token expires. */
export const RECOVERY_ENV = {
  PUBLIC_URL: 'https://machi.example',
  ALLOWED_ORIGINS: ORIGIN,
  EXTERNAL_IDENTITY: 'trusted-subject',
  IDENTITY_TOKEN_TTL: 'never',
  REFRESH_TOKEN_TTL: 'never',
  SESSION_MAX_AGE: 'never',
};

/** Requests of the specs of account recovery. The parameters are called when a function runs. */
export function recoveryClient(t: () => TestApp, smtp: () => Smtp) {
  const mailbox = mailboxes(t, smtp);
  const passkeys = passkeyClient(t);
  const exchange = (subject: string) =>
    t().request('POST', '/api/sessions/exchange', { body: { token: subject, provider: 'trusted-subject' } });
  const signIn = (login: string, password = PASSWORD) =>
    t().request('POST', '/api/sessions', { body: { login, password } });

  const addPasskey = (user: SignedInUser): Promise<PasskeyUser> =>
    passkeys.withPasskey(user, new VirtualAuthenticator(ORIGIN));
  const linkIdentity = async ({ token }: SignedInUser, subject: string): Promise<string> => {
    const body = { token: subject, provider: 'trusted-subject', current_password: PASSWORD };
    const linked = await t().request('POST', '/api/users/me/identities', { token, body });
    if (linked.status !== 201) throw new Error(`linking: ${linked.status} ${linked.text}`);
    return linked.body['id'];
  };
  /** Returns the secret of the authenticator app. */
  const enableTwoFactor = async ({ token }: SignedInUser): Promise<string> => {
    const path = '/api/users/me/two-factor';
    const begun = await t().request('POST', path, { token, body: { current_password: PASSWORD } });
    const code = codeAt(begun.body['secret'], t().clock.now());
    const { status, text } = await t().request('POST', `${path}/confirm`, { token, body: { code } });
    if (status !== 200) throw new Error(`two-factor: ${status} ${text}`);
    return begun.body['secret'];
  };

  const requestReset = (email: string) => t().request('POST', '/api/password-resets', { body: { email } });
  /** A reset token, from a mailed code. */
  const resetToken = async (email: string): Promise<string> => {
    await requestReset(email);
    const body = { email, code: await mailbox.code(email) };
    return (await t().request('POST', '/api/password-resets/validate', { body })).body['reset_token'];
  };
  const setPassword = (reset_token: string, password = NEW_PASSWORD) =>
    t().request('PUT', '/api/password-resets', { body: { reset_token, password } });
  /** Resets the password by mail. Returns the mail that reports it. */
  const reset = async (user: Pick<SignedInUser, 'username'>): Promise<ReceivedMail> => {
    const email = addressOf(user);
    const { status, text } = await setPassword(await resetToken(email));
    if (status !== 204) throw new Error(`reset: ${status} ${text}`);
    return mailbox.newest(email, /password was changed/);
  };
  /** Submits the form of the page behind a mailed link. */
  const submit = (link: string, fields: Record<string, string> = {}) =>
    t().request('POST', new URL(link).pathname, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  /** The actions about a user in the audit log, oldest first. */
  const auditOf = async (id: string): Promise<string[]> => {
    const sql = 'select action from audit_events where subject_id = $1 order by id';
    const rows = await t().dataSource.query<{ action: string }[]>(sql, [id]);
    return rows.map(({ action }) => action);
  };

  return {
    mailbox,
    passkeys,
    exchange,
    signIn,
    addPasskey,
    linkIdentity,
    enableTwoFactor,
    resetToken,
    setPassword,
    reset,
    submit,
    auditOf,
    signInWithPasskey: async (user: PasskeyUser) => (await passkeys.signIn(user)).status,
  };
}

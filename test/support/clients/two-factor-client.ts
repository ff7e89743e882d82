import { PASSWORD, type TestApp } from '../app.js';
import { codeAt, type TwoFactorUser, wrongCodeAt } from './totp.js';

/** The length of a TOTP time step. */
export const STEP = 30_000;

/** Requests and queries of the two-factor specs. `app` is called when a function runs, once the application has started. */
export function twoFactorClient(app: () => TestApp) {
  const path = '/api/users/me/two-factor';
  const withPassword = { current_password: PASSWORD };
  return {
    path,
    get: (token: string) => app().request('GET', path, { token }),
    begin: (token: string, body: object = withPassword) => app().request('POST', path, { token, body }),
    confirm: (token: string, code: string) => app().request('POST', `${path}/confirm`, { token, body: { code } }),
    turnOff: (token: string, body: object) => app().request('DELETE', path, { token, body }),
    renew: (token: string, body: object) => app().request('POST', `${path}/recovery-codes`, { token, body }),
    /** The password and a recovery code, the last one by default. */
    proofOf: ({ recoveryCodes }: TwoFactorUser, index = -1) => ({ ...withPassword, code: recoveryCodes.at(index)! }),
    signIn: (login: string, password = PASSWORD) =>
      app().request('POST', '/api/sessions', { body: { login, password } }),
    answer: (challenge: string, code: string) =>
      app().request('POST', '/api/sessions/two-factor', { body: { challenge, code } }),
    codeNow: ({ secret }: TwoFactorUser) => codeAt(secret, app().clock.now()),
    wrongCode: ({ secret }: TwoFactorUser) => wrongCodeAt(secret, app().clock.now()),
    /** Moves to the next time step, whose code is unused. */
    nextStep: () => app().clock.advance(STEP),
    /** The two-factor actions in the audit log about a user, oldest first. */
    auditOf: async (id: string): Promise<string[]> => {
      const rows = await app().dataSource.query<{ action: string }[]>(
        `select action from audit_events where subject_id = $1 and action ~ '^two_step' order by id`,
        [id],
      );
      return rows.map(({ action }) => action);
    },
    /** The number of a user's sessions. */
    sessionsOf: async (id: string): Promise<number> => {
      const rows = await app().dataSource.query<unknown[]>('select from sessions where user_id = $1', [id]);
      return rows.length;
    },
  };
}

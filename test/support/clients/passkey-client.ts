import { PASSWORD, type SignedInUser, type TestApp } from '../app.js';
import { type Deviations, VirtualAuthenticator } from './virtual-authenticator.js';

/** The origin of the page that uses passkeys. */
export const ORIGIN = 'https://app.machi.example';

/** Settings under which ORIGIN may use passkeys. */
export const PASSKEY_ENV = {
  PUBLIC_URL: 'https://machi.example',
  ALLOWED_ORIGINS: `${ORIGIN},https://other.example`,
  IDENTITY_TOKEN_TTL: '1d',
};

export interface PasskeyUser extends SignedInUser {
  authenticator: VirtualAuthenticator;
  passkey: string;
}

type CreationOptions = Parameters<VirtualAuthenticator['create']>[0];

/** Requests and queries of the passkey specs. `app` is called when a function runs, once the application has started. */
export function passkeyClient(app: () => TestApp) {
  const path = '/api/users/me/passkeys';
  const creationOptions = (token: string, body: object = { current_password: PASSWORD }) =>
    app().request('POST', `${path}/options`, { token, body });
  const create = (token: string, body: object) => app().request('POST', path, { token, body });
  const list = async (token: string) =>
    (await app().request('GET', path, { token })).body as unknown as { id: string; name: string }[];
  const remove = (token: string, id: string, body: object = { current_password: PASSWORD }) =>
    app().request('DELETE', `${path}/${id}`, { token, body });
  const requestOptions = async () =>
    (await app().request('POST', '/api/sessions/passkey/options')).body as unknown as {
      challenge: string;
      rpId: string;
    };
  const signInWith = (credential: unknown) => app().request('POST', '/api/sessions/passkey', { body: { credential } });
  const optionsFor = async (token: string, current_password = PASSWORD) =>
    (await creationOptions(token, { current_password })).body as unknown as CreationOptions;

  /** Registers a passkey for the user. */
  async function withPasskey(
    user: SignedInUser,
    authenticator = new VirtualAuthenticator(ORIGIN),
  ): Promise<PasskeyUser> {
    const credential = authenticator.create(await optionsFor(user.token, user.password));
    const { status, body, text } = await create(user.token, { credential });
    if (status !== 201) throw new Error(`Registering a passkey answered ${status} ${text}`);
    return { ...user, authenticator, passkey: body['id'] };
  }
  const passkeyUser = async () => withPasskey(await app().user());
  const signIn = async ({ authenticator }: PasskeyUser, deviations: Deviations = {}) =>
    signInWith(authenticator.get(await requestOptions(), deviations));
  const withoutPassword = ({ id }: SignedInUser) =>
    app().dataSource.query('update users set password_hash = null where id = $1', [id]);

  /** The passkey actions in the audit log about a user, oldest first. */
  async function auditOf(id: string): Promise<string[]> {
    const rows = await app().dataSource.query<{ action: string }[]>(
      `select action from audit_events where subject_id = $1 and action ~ '^passkey' order by id`,
      [id],
    );
    return rows.map(({ action }) => action);
  }
  return {
    path,
    creationOptions,
    create,
    list,
    remove,
    requestOptions,
    signInWith,
    optionsFor,
    withPasskey,
    passkeyUser,
    signIn,
    withoutPassword,
    auditOf,
  };
}

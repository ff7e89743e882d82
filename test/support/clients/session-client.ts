import type { BodyOf } from '../api/api-body.js';
import { type Answer, PASSWORD, type SignedInUser, type TestApp } from '../app.js';

/** A session and its tokens. */
export interface SessionOfUser {
  user: SignedInUser;
  id: string;
  identity: string;
  refresh: string;
}

/** Opens a session of a user, by default a new one. */
export async function openSession(t: TestApp, of?: SignedInUser, password = PASSWORD): Promise<SessionOfUser> {
  const user = of ?? (await t.user());
  const { body } = await t.request('POST', '/api/sessions', { body: { login: user.username, password } });
  return { user, id: body['id'], identity: body['identity_token'], refresh: body['refresh_token'] };
}

/** Sends a refresh token, or a value that is none. */
export const refreshSession = (
  t: TestApp,
  refresh_token: unknown,
): Promise<Answer<BodyOf<'POST', '/api/sessions/refresh'>>> =>
  t.request('POST', '/api/sessions/refresh', { body: { refresh_token } });

/** The status of a request with an identity token: 200 while it is valid. */
export const statusWith = async (t: TestApp, token: string): Promise<number> =>
  (await t.request('GET', '/api/users/me', { token })).status;

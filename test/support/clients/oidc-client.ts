import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { TestApp } from '../app.js';
import { AUDIENCE, type startProvider } from '../servers/oidc-issuer.js';

type Provider = Awaited<ReturnType<typeof startProvider>>;

/** Settings under which users of the provider can sign in. */
export const oidcEnv = (provider: Provider): Record<string, string> => ({
  EXTERNAL_IDENTITY: 'oidc',
  OIDC_ISSUER: `https://unused.example,${provider.issuer}`,
  OIDC_AUDIENCE: `${AUDIENCE},${provider.clientId}`,
});

/** Requests of the specs of external identities. `app` and `provider` are called when a function runs, once they have started. */
export function oidcClient(app: () => TestApp, provider: () => Provider) {
  const exchange = (token: unknown, more: object = { provider: provider().issuer }) =>
    app().request('POST', '/api/sessions/exchange', { body: { token, ...more } });
  const eventsOf = async (subject_id: string) => {
    const { body } = await app().request('GET', `/api/audit?subject_id=${subject_id}`, {
      token: await app().asAdmin(),
    });
    return body['items'] as { action: string; succeeded: boolean; details: object; session_id: string }[];
  };
  /** An access token that the provider issues to a user. */
  const tokenOf = async (subject: string, claims: object = {}): Promise<string> =>
    (await provider().signIn(subject, claims)).access_token;
  /** Exchanges the token of a new user of the provider for a session. */
  const newcomer = async (claims: object = {}) => {
    const subject = randomUUID();
    const { status, body } = await exchange(await tokenOf(subject, claims));
    expect(status).toBe(201);
    return { subject, id: body['user']['id'], user: body['user'], token: body['identity_token'] };
  };
  return { exchange, eventsOf, tokenOf, newcomer };
}

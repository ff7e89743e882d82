import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { oidcClient, oidcEnv } from '../../support/clients/oidc-client.js';
import { startProvider } from '../../support/servers/oidc-issuer.js';
import { addressOf, mailboxes, type Smtp, startSmtp } from '../../support/servers/smtp-server.js';

let provider: Awaited<ReturnType<typeof startProvider>>;
let t: TestApp;
let smtp: Smtp;
beforeAll(async () => {
  [provider, smtp] = [await startProvider(), await startSmtp()];
  t = await startApp({ env: { ...oidcEnv(provider), SMTP_URL: smtp.url } });
});
beforeEach(() => t.clock.set(Date.now())); // the provider lives by real time
afterAll(async () => {
  await t.stop();
  await Promise.all([provider.stop(), smtp.stop()]);
});

const { exchange, tokenOf } = oidcClient(
  () => t,
  () => provider,
);
const mailbox = mailboxes(
  () => t,
  () => smtp,
);
/** A token of the victim's company for the address that the squatter has entered. */
const companyToken = (username: string) =>
  tokenOf(randomUUID(), { email: addressOf({ username }), email_verified: true });

it('a company token never signs in to an account that a squatter registered with the address, whatever its owner pressed', async () => {
  const squatter = await t.user();
  const token = (await mailbox.link(addressOf(squatter))).split('/').at(-1)!;
  await t.request('POST', `/api/email-verifications/${token}`);
  await t.request('POST', '/api/email-verifications', { body: { token } });
  const { body: before } = await exchange(await companyToken(squatter.username));
  expect(before['user'].id).not.toBe(squatter.id);
  expect((await t.request('DELETE', '/api/email-verifications', { body: { token } })).status).toBe(204);

  const { body: after } = await exchange(await companyToken(squatter.username));
  expect(after['user'].email).toBe(addressOf(squatter)); // free again
  expect((await t.request('GET', '/api/users/me', { token: squatter.token })).status).toBe(401);
});

it('an owner who resets the password of the squatted account gets it by the company token without the squatter', async () => {
  const squatter = await t.user();
  const email = addressOf(squatter);
  const intruding = { token: await tokenOf('a.squatter'), current_password: PASSWORD };
  await t.request('POST', '/api/users/me/identities', { token: squatter.token, body: intruding });
  await t.request('POST', '/api/password-resets', { body: { email } });
  const code = await mailbox.code(email);
  const validated = await t.request('POST', '/api/password-resets/validate', { body: { email, code } });
  const body = { reset_token: validated.body['reset_token'], password: 'silent meadow ninety' };
  expect((await t.request('PUT', '/api/password-resets', { body })).status).toBe(204);
  expect((await exchange(await tokenOf('a.squatter'))).body['user'].id).not.toBe(squatter.id);
  expect((await exchange(await companyToken(squatter.username))).body['user'].id).toBe(squatter.id);
  expect(await mailbox.read(email, /service was linked to/)).toHaveLength(1);
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type TestApp, startApp } from '../../support/app.js';
import { ORIGIN, PASSKEY_ENV, passkeyClient } from '../../support/clients/passkey-client.js';
import { twoFactorUser } from '../../support/clients/totp.js';
import { type Deviations, VirtualAuthenticator } from '../../support/clients/virtual-authenticator.js';

const MINUTE = 60_000;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: PASSKEY_ENV });
  t.clock.set(Date.now());
});
afterAll(() => t.stop());

const { list, requestOptions, signInWith, optionsFor, withPasskey, passkeyUser, signIn, withoutPassword, auditOf } =
  passkeyClient(() => t);
const expectRefused = ({ status, body }: Answer) => expect([status, body['code']]).toEqual([401, 'invalid_passkey']);

describe('signing in with a passkey', () => {
  it('starts with options that name no user', async () => {
    const { status, body } = await t.request('POST', '/api/sessions/passkey/options');
    expect(status).toBe(200);
    expect(body).toEqual({
      rpId: 'machi.example',
      challenge: expect.stringMatching(/^[\w-]{43}$/),
      timeout: 5 * MINUTE,
      userVerification: 'required',
    });
  });

  it('opens the same kind of session as a password', async () => {
    const user = await passkeyUser();
    const { status, body } = await signIn(user);
    expect(status).toBe(201);
    expect(body).toMatchObject({ token_type: 'Bearer', user: { id: user.id }, refresh_token: expect.any(String) });
    const [passkey] = (await list(body['identity_token'])) as unknown as { last_used_at: string }[];
    expect(passkey!.last_used_at).toBe(t.clock.date().toISOString());
    const events = await t.dataSource.query<unknown[]>(
      `select from audit_events where action = 'session.opened' and session_id = $1`,
      [body['id']],
    );
    expect(events).toHaveLength(1);
    expect((await signIn(user)).status).toBe(201);
  });

  it('requires no code while two-factor authentication is on', async () => {
    const user = await withPasskey(await twoFactorUser(t));
    expect((await signIn(user)).status).toBe(201);
  });

  it('works for authenticators without a counter', async () => {
    const user = await passkeyUser();
    for (let i = 0; i < 2; i++) expect((await signIn(user, { counter: 0 })).status).toBe(201);
  });

  it('works for users without a password', async () => {
    const user = await passkeyUser();
    await withoutPassword(user);
    expect((await signIn(user)).status).toBe(201);
  });

  it('is possible for five minutes, to the exact millisecond', async () => {
    const user = await passkeyUser();
    const [one, two] = [await requestOptions(), await requestOptions()];
    t.clock.advance(5 * MINUTE - 1);
    expect((await signInWith(user.authenticator.get(one))).status).toBe(201);
    t.clock.advance(1);
    expectRefused(await signInWith(user.authenticator.get(two)));
  });

  it.each<[string, Deviations]>([
    ['another origin', { origin: 'https://evil.example' }],
    ['an allowed origin of another domain', { origin: 'https://other.example' }],
    ['a frame in another page', { clientData: { crossOrigin: true } }],
    ['a frame in a named page', { clientData: { crossOrigin: true, topOrigin: 'https://evil.example' } }],
    ['another domain', { rpId: 'evil.example' }],
    ['a challenge of its own', { challenge: 'A'.repeat(43) }],
    ['the other ceremony', { type: 'webauthn.create' }],
    ['user not verified', { flags: 1 }],
    ['user not present', { flags: 4 }],
    ['no flags', { flags: 0 }],
    ['extensions that are not there', { flags: 0x85 }],
    ['another user', { userHandle: Buffer.from(randomUUID()).toString('base64url') }],
    ['client data without a challenge', { clientData: { challenge: undefined } }],
    ['a challenge that is a list', { clientData: { challenge: ['x'] } }],
    ['a challenge that no database takes', { clientData: { challenge: 'a\u0000b' } }],
  ])('refuses %s', async (_, deviations) => {
    const user = await passkeyUser();
    expectRefused(await signIn(user, deviations));
    expect(await auditOf(user.id)).toEqual(['passkey.added', 'passkey.refused']);
    expect((await signIn(user)).status).toBe(201); // the kit itself works
  });

  it('refuses a response that was used before', async () => {
    const user = await passkeyUser();
    const credential = user.authenticator.get(await requestOptions());
    expect((await signInWith(credential)).status).toBe(201);
    expectRefused(await signInWith(credential));
  });

  it('refuses a registration response and any response after a wrong one', async () => {
    const user = await passkeyUser();
    const { challenge } = await optionsFor(user.token);
    expectRefused(await signInWith(user.authenticator.get({ challenge, rpId: 'machi.example' })));
    const options = await requestOptions();
    expectRefused(await signInWith(user.authenticator.get(options, { flags: 1 })));
    expectRefused(await signInWith(user.authenticator.get(options)));
  });

  it("refuses one user's key with another user's credential id", async () => {
    const [victim, attacker] = [await passkeyUser(), await passkeyUser()];
    const forged = attacker.authenticator.get(await requestOptions());
    const id = victim.authenticator.id.toString('base64url');
    expectRefused(await signInWith({ ...forged, id, rawId: id }));
    const userHandle = Buffer.from(victim.id.replaceAll('-', ''), 'hex').toString('base64url');
    expectRefused(await signIn(attacker, { userHandle }));
    const both = attacker.authenticator.get(await requestOptions(), { userHandle });
    expectRefused(await signInWith({ ...both, id, rawId: id }));
  });

  it('refuses unknown passkeys, modified bytes and missing user handles', async () => {
    const user = await passkeyUser();
    expectRefused(await signInWith(new VirtualAuthenticator(ORIGIN).get(await requestOptions())));
    const change = (text: string) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
    const twist = async (changes: (response: Record<string, string>) => object) => {
      const credential = user.authenticator.get(await requestOptions());
      return signInWith({ ...credential, response: { ...credential.response, ...changes(credential.response) } });
    };
    expectRefused(await twist(({ signature }) => ({ signature: change(signature!) })));
    expectRefused(await twist(({ signature }) => ({ signature: signature!.slice(0, 20) })));
    expectRefused(await twist(({ authenticatorData }) => ({ authenticatorData: authenticatorData!.slice(0, 20) })));
    expectRefused(await twist(({ authenticatorData }) => ({ authenticatorData: `${authenticatorData}AAAA` })));
    expectRefused(await twist(() => ({ userHandle: undefined })));
    expectRefused(await twist(() => ({ clientDataJSON: Buffer.from('null').toString('base64url') })));
    expectRefused(await twist(() => ({ clientDataJSON: Buffer.from('{').toString('base64url') })));
    const { rawId: _, ...credential } = user.authenticator.get(await requestOptions());
    expectRefused(await signInWith({ ...credential, rawId: 'AAAA' }));
  });

  it('refuses and audits a counter that does not grow', async () => {
    const user = await passkeyUser();
    expect((await signIn(user, { counter: 7 })).status).toBe(201);
    for (const counter of [7, 6, 0]) expectRefused(await signIn(user, { counter }));
    expect(await auditOf(user.id)).toEqual(['passkey.added', ...Array<string>(3).fill('passkey.counter_regressed')]);
    expect((await signIn(user, { counter: 8 })).status).toBe(201);
  });

  it('does not audit a copied key for a response with an invalid signature', async () => {
    const user = await passkeyUser();
    expect((await signIn(user, { counter: 7 })).status).toBe(201);
    const credential = user.authenticator.get(await requestOptions(), { counter: 3 });
    credential.response.signature = 'AAAA';
    expectRefused(await signInWith(credential));
    expect(await auditOf(user.id)).toEqual(['passkey.added', 'passkey.refused']);
  });

  it('refuses deactivated users with the same bytes as any other failure', async () => {
    const user = await passkeyUser();
    await t.request('PATCH', `/api/users/${user.id}`, { token: await t.asAdmin(), body: { is_active: false } });
    const answers = [
      await signIn(user),
      await signInWith(new VirtualAuthenticator(ORIGIN).get(await requestOptions())),
    ];
    const texts = answers.map(({ text, headers }) => text.replace(headers.get('x-request-id')!, ''));
    expect(new Set(texts).size).toBe(1);
    expectRefused(answers[0]!);
  });

  it('refuses fields that are missing, unknown, too long or of the wrong type', async () => {
    const user = await passkeyUser();
    const whole = user.authenticator.get(await requestOptions());
    const { response } = whole;
    const bad: unknown[] = [
      {},
      undefined,
      [],
      { ...whole, response: {} },
      { ...whole, extra: 1 },
      { ...whole, response: { ...response, attestationObject: 'AAAA' } },
      { ...whole, response: { ...response, signature: 'a'.repeat(4097) } },
      { ...whole, response: { ...response, signature: '' } },
      { ...whole, response: { ...response, userHandle: 'a'.repeat(87) } },
      { ...whole, response: { ...response, userHandle: 7 } },
      { ...whole, clientExtensionResults: undefined },
    ];
    for (const credential of bad) {
      const { status, body } = await signInWith(credential);
      expect([credential, status, body['code']]).toEqual([credential, 422, 'validation_failed']);
    }
    let deep: Record<string, unknown> = {};
    for (let i = 0; i < 40; i++) deep = { deep };
    expect((await signInWith({ ...whole, clientExtensionResults: deep })).body['code']).toBe('body_too_complex');
    expect((await signInWith({ ...whole, clientExtensionResults: { x: 'x'.repeat(110_000) } })).status).toBe(413);
    expect((await signInWith(whole)).status).toBe(201);
  });
});

it('issuing a passkey challenge deletes expired challenges', async () => {
  await requestOptions();
  t.clock.advance(5 * MINUTE);
  const { challenge } = await requestOptions();
  expect(await t.dataSource.query('select challenge from passkey_challenges')).toEqual([{ challenge }]);
});

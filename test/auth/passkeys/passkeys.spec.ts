import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, PASSWORD, type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { VirtualAuthenticator, cbor, type Twists } from '../../support/webauthn-authenticator.js';
import { twoFactorUser } from '../../support/totp.js';

const ORIGIN = 'https://app.machi.example';
const MINUTE = 60_000;

let t: TestApp;
beforeAll(async () => {
  const env = { PUBLIC_URL: 'https://machi.example', ALLOWED_ORIGINS: `${ORIGIN},https://other.example` };
  t = await startApp({ env: { ...env, IDENTITY_TOKEN_TTL: '1d' } });
  t.clock.set(Date.now());
});
afterAll(() => t.stop());

const path = '/api/users/me/passkeys';
const creationOptions = (token: string, body: object = { current_password: PASSWORD }) => t.request('POST', `${path}/options`, { token, body }); // prettier-ignore
const create = (token: string, body: object) => t.request('POST', path, { token, body });
const list = async (token: string) => (await t.request('GET', path, { token })).body as unknown as { id: string; name: string }[]; // prettier-ignore
const remove = (token: string, id: string) => t.request('DELETE', `${path}/${id}`, { token });
const requestOptions = async () => (await t.request('POST', '/api/sessions/passkey/options')).body as { challenge: string; rpId: string }; // prettier-ignore
const signInWith = (credential: unknown) => t.request('POST', '/api/sessions/passkey', { body: { credential } });

const optionsFor = async (token: string) => (await creationOptions(token)).body as Parameters<VirtualAuthenticator['create']>[0]; // prettier-ignore

interface PasskeyUser extends SignedInUser {
  authenticator: VirtualAuthenticator;
  passkey: string;
}

async function withPasskey(user: SignedInUser, authenticator = new VirtualAuthenticator(ORIGIN)): Promise<PasskeyUser> {
  const credential = authenticator.create(await optionsFor(user.token));
  const { status, body, text } = await create(user.token, { credential });
  if (status !== 201) throw new Error(`registration: ${status} ${text}`);
  return { ...user, authenticator, passkey: body['id'] as string };
}

const passkeyUser = async () => withPasskey(await t.user());
const signIn = async ({ authenticator }: PasskeyUser, twists: Twists = {}) => signInWith(authenticator.get(await requestOptions(), twists)); // prettier-ignore
const withoutPassword = ({ id }: SignedInUser) => t.dataSource.query('update users set password_hash = null where id = $1', [id]); // prettier-ignore

const expectRefused = ({ status, body }: Answer) => expect([status, body['code']]).toEqual([401, 'invalid_passkey']);

async function auditOf(id: string): Promise<string[]> {
  const rows = await t.dataSource.query<{ action: string }[]>(
    `select action from audit_events where subject_id = $1 and action ~ '^passkey' order by id`,
    [id],
  );
  return rows.map(({ action }) => action);
}

describe('registering a passkey', () => {
  it('starts with options for this user and domain that require user verification', async () => {
    const user = await t.user();
    const { status, body } = await creationOptions(user.token);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      rp: { id: 'machi.example', name: 'Machi' },
      user: {
        id: Buffer.from(user.id.replaceAll('-', ''), 'hex').toString('base64url'),
        name: user.username,
        displayName: expect.any(String),
      },
      challenge: expect.stringMatching(/^[\w-]{43}$/),
      pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: 'public-key', alg })),
      timeout: 5 * MINUTE,
      attestation: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      excludeCredentials: [],
    });
  });

  it('creates a passkey named after the device or as requested', async () => {
    const user = await t.user();
    const headers = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' };
    const credential = new VirtualAuthenticator(ORIGIN).create(await optionsFor(user.token));
    const { status, body } = await t.request('POST', path, { token: user.token, body: { credential }, headers });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      name: 'Firefox on Linux',
      is_synced: false,
      created_at: t.clock.date().toISOString(),
      last_used_at: null,
    });
    const named = new VirtualAuthenticator('https://machi.example').create(await optionsFor(user.token), {
      flags: 0x5d,
    }); // backed up
    expect((await create(user.token, { credential: named, name: ' My phone ' })).body).toMatchObject({ name: 'My phone', is_synced: true }); // prettier-ignore
    expect((await list(user.token)).map(({ name }) => name)).toEqual(['Firefox on Linux', 'My phone']);
    expect(await auditOf(user.id)).toEqual(['passkey.added', 'passkey.added']);
  });

  it('lists existing passkeys in the options', async () => {
    const user = await passkeyUser();
    const { body } = await creationOptions(user.token);
    const id = user.authenticator.id.toString('base64url');
    expect(body['excludeCredentials']).toEqual([{ id, type: 'public-key', transports: ['internal', 'hybrid'] }]);
  });

  it.each([
    [{ current_password: 'wrong' }, 403, 'wrong_password'],
    [{}, 422, 'validation_failed'],
    [{ current_password: null }, 422, 'validation_failed'],
  ])('requires the password and refuses %j', async (body, status, code) => {
    const refused = await creationOptions((await t.user()).token, body);
    expect([refused.status, refused.body['code']]).toEqual([status, code]);
  });

  it('is available to users without a password for ten minutes after signing in', async () => {
    const user = await t.user();
    await withoutPassword(user);
    t.clock.advance(10 * MINUTE - 1);
    expect((await creationOptions(user.token, {})).status).toBe(200);
    t.clock.advance(1);
    expect((await creationOptions(user.token, {})).body).toMatchObject({ status: 403, code: 'sign_in_again' });
  });

  it('is possible for five minutes, to the exact millisecond', async () => {
    const user = await t.user();
    const [one, two] = [await optionsFor(user.token), await optionsFor(user.token)];
    t.clock.advance(5 * MINUTE - 1);
    expect((await create(user.token, { credential: new VirtualAuthenticator(ORIGIN).create(one) })).status).toBe(201);
    t.clock.advance(1);
    const late = await create(user.token, { credential: new VirtualAuthenticator(ORIGIN).create(two) });
    expect(late.body).toMatchObject({ status: 422, code: 'passkey_refused' });
  });

  const packed = (statement: [string, unknown][]) => ({ fmt: 'packed', attStmt: new Map<string, unknown>(statement) });
  it.each<[string, Twists]>([
    ['another origin', { origin: 'https://evil.example' }],
    ['an allowed origin of another domain', { origin: 'https://other.example' }],
    ['an origin that looks alike', { origin: 'https://machi.example.evil.example' }],
    ['another port', { origin: `${ORIGIN}:8443` }],
    ['no encryption', { origin: 'http://machi.example' }],
    ['a frame in another page', { clientData: { crossOrigin: true } }],
    ['another domain', { rpId: 'evil.example' }],
    ['a challenge of its own', { challenge: 'A'.repeat(43) }],
    ['the other ceremony', { type: 'webauthn.get' }],
    ['nobody verified', { flags: 0x41 }],
    ['nobody present', { flags: 0x44 }],
    ['no credential', { flags: 0x05 }],
    ['extensions that are not there', { flags: 0xc5 }],
    ['an algorithm that was not asked for', { alg: -35 }],
    ['attestation that was not asked for', { fmt: 'apple' }],
    ['a certificate', packed([['alg', -7], ['sig', Buffer.alloc(70)], ['x5c', Buffer.alloc(10)]])], // prettier-ignore
    ['a wrong signature of itself', packed([['alg', -7], ['sig', Buffer.alloc(70)]])], // prettier-ignore
    ['a statement where there is none', { attStmt: new Map([['x', 1]]) }],
    ['a format that is none', { fmt: 'x'.repeat(200) }],
    ['a challenge that is a number', { clientData: { challenge: 1 } }],
    ['a challenge that no database takes', { clientData: { challenge: 'a\u0000b' } }],
    ['a challenge of half a character', { clientData: { challenge: '\ud800' } }],
  ])('refuses %s', async (_, twists) => {
    const user = await t.user();
    const credential = new VirtualAuthenticator(ORIGIN).create(await optionsFor(user.token), twists);
    expect((await create(user.token, { credential })).body).toMatchObject({ status: 422, code: 'passkey_refused' });
    expect(await list(user.token)).toEqual([]);
  });

  it('refuses a challenge that was used, belongs to another user or was issued for a sign-in', async () => {
    const [user, thief] = [await t.user(), await t.user()];
    const code = async (token: string, credential: object) => (await create(token, { credential })).body['code'];
    const options = await optionsFor(user.token);
    expect(await code(thief.token, new VirtualAuthenticator(ORIGIN).create(options))).toBe('passkey_refused');
    const toSignIn = { ...options, challenge: (await requestOptions()).challenge };
    expect(await code(user.token, new VirtualAuthenticator(ORIGIN).create(toSignIn))).toBe('passkey_refused');
    expect(await code(user.token, new VirtualAuthenticator(ORIGIN).create(options))).toBeUndefined();
    expect(await code(user.token, new VirtualAuthenticator(ORIGIN).create(options))).toBe('passkey_refused');
    expect(await list(user.token)).toHaveLength(1);
  });

  it('refuses a challenge after one wrong response', async () => {
    const user = await t.user();
    const options = await optionsFor(user.token);
    const answers = [{ flags: 0x41 }, {}].map((twists) => new VirtualAuthenticator(ORIGIN).create(options, twists));
    for (const credential of answers) expect((await create(user.token, { credential })).status).toBe(422);
  });

  it('refuses malformed and deeply nested CBOR', async () => {
    const user = await t.user();
    const whole = Buffer.from(new VirtualAuthenticator(ORIGIN).create(await optionsFor(user.token)).response.attestationObject, 'base64url'); // prettier-ignore
    const broken = {
      cut: whole.subarray(0, -20),
      'cut at once': whole.subarray(0, 1),
      'a length that is not there': Buffer.from([0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      'a map with 2^32 entries': Buffer.from([0xba, 0xff, 0xff, 0xff, 0xff]),
      nested: Buffer.alloc(12_000, 0x81),
      'no map': cbor('text'),
      'an empty map': cbor(new Map()),
      'more behind it': Buffer.concat([whole, Buffer.alloc(10)]),
      'data that is text': cbor(new Map<string, unknown>([['fmt', 'none'], ['attStmt', new Map()], ['authData', 'x'.repeat(100)]])), // prettier-ignore
      'data that is short': cbor(new Map<string, unknown>([['fmt', 'none'], ['attStmt', new Map()], ['authData', Buffer.alloc(36)]])), // prettier-ignore
    };
    for (const [name, bytes] of Object.entries(broken)) {
      const credential = new VirtualAuthenticator(ORIGIN).create(await optionsFor(user.token));
      credential.response.attestationObject = bytes.toString('base64url');
      const { status } = await create(user.token, { credential });
      if (name !== 'more behind it') expect([name, status]).toEqual([name, 422]);
    }
  });

  it('refuses fields that are missing, unknown, too long or of the wrong type', async () => {
    const user = await t.user();
    const whole = new VirtualAuthenticator(ORIGIN).create(await optionsFor(user.token));
    const { response } = whole;
    const bad: unknown[] = [
      {},
      null,
      'x',
      [whole],
      { ...whole, id: undefined },
      { ...whole, id: 'a b' },
      { ...whole, id: 'a=' },
      { ...whole, id: 'a'.repeat(1401) },
      { ...whole, type: 'password' },
      { ...whole, authenticatorAttachment: 'x' },
      { ...whole, clientExtensionResults: 'x' },
      { ...whole, extra: 1 },
      { ...whole, response: undefined },
      { ...whole, response: [] },
      { ...whole, response: [response] },
      { ...whole, response: { ...response, extra: 1 } },
      { ...whole, response: { ...response, clientDataJSON: 'a'.repeat(4097) } },
      { ...whole, response: { ...response, attestationObject: 'a'.repeat(16_385) } },
      { ...whole, response: { ...response, attestationObject: ['a'] } },
      { ...whole, response: { ...response, transports: 'usb' } },
      { ...whole, response: { ...response, transports: Array(11).fill('usb') } },
      { ...whole, response: { ...response, transports: ['<b>'] } },
      { ...whole, response: { ...response, publicKeyAlgorithm: 'x' } },
    ];
    for (const credential of bad) {
      const { status, body } = await create(user.token, { credential });
      expect([credential, status, body['code']]).toEqual([credential, 422, 'validation_failed']);
    }
    expect((await create(user.token, { credential: whole, name: '' })).body['code']).toBe('validation_failed');
    expect((await create(user.token, { credential: whole })).status).toBe(201); // none of this used up the challenge
  });

  it('accepts responses without the optional fields that older browsers omit', async () => {
    const user = await t.user();
    const { response, authenticatorAttachment: _, ...rest } = new VirtualAuthenticator(ORIGIN).create(await optionsFor(user.token)); // prettier-ignore
    const { clientDataJSON, attestationObject } = response;
    const credential = { ...rest, response: { clientDataJSON, attestationObject } };
    expect((await create(user.token, { credential })).status).toBe(201);
  });

  it('accepts self-attestation', async () => {
    // "packed" with a signature by the credential's own key is what some browsers hand on though none was asked for.
    const user = await t.user();
    const authenticator = new VirtualAuthenticator(ORIGIN);
    const credential = authenticator.createSelfAttested(await optionsFor(user.token));
    expect((await create(user.token, { credential })).status).toBe(201);
  });

  it('accepts a credential once, from any user', async () => {
    const [one, two] = [await passkeyUser(), await t.user()];
    for (const { token } of [one, two]) {
      const credential = one.authenticator.create(await optionsFor(token));
      expect((await create(token, { credential })).body).toMatchObject({ status: 409, code: 'passkey_taken' });
    }
  });

  it('accepts at most twenty passkeys per user', async () => {
    const user = await t.user();
    const [early] = [await optionsFor(user.token)];
    for (let i = 0; i < 20; i++) await withPasskey(user);
    expect((await creationOptions(user.token)).body).toMatchObject({ status: 409, code: 'too_many_passkeys' });
    const credential = new VirtualAuthenticator(ORIGIN).create(early);
    expect((await create(user.token, { credential })).body['code']).toBe('too_many_passkeys');
  });
});

describe('signing in with a passkey', () => {
  it('starts with options that name no user', async () => {
    const { status, body } = await t.request('POST', '/api/sessions/passkey/options');
    expect(status).toBe(200);
    expect(body).toEqual({ rpId: 'machi.example', challenge: expect.stringMatching(/^[\w-]{43}$/), timeout: 5 * MINUTE, userVerification: 'required' }); // prettier-ignore
  });

  it('opens the same kind of session as a password', async () => {
    const user = await passkeyUser();
    const { status, body } = await signIn(user);
    expect(status).toBe(201);
    expect(body).toMatchObject({ token_type: 'Bearer', user: { id: user.id }, refresh_token: expect.any(String) });
    const [passkey] = (await list(body['identity_token'] as string)) as unknown as { last_used_at: string }[];
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

  it.each<[string, Twists]>([
    ['another origin', { origin: 'https://evil.example' }],
    ['an allowed origin of another domain', { origin: 'https://other.example' }],
    ['a frame in another page', { clientData: { crossOrigin: true } }],
    ['a frame in a named page', { clientData: { crossOrigin: true, topOrigin: 'https://evil.example' } }],
    ['another domain', { rpId: 'evil.example' }],
    ['a challenge of its own', { challenge: 'A'.repeat(43) }],
    ['the other ceremony', { type: 'webauthn.create' }],
    ['nobody verified', { flags: 1 }],
    ['nobody present', { flags: 4 }],
    ['no flags', { flags: 0 }],
    ['extensions that are not there', { flags: 0x85 }],
    ['another user', { userHandle: Buffer.from(randomUUID()).toString('base64url') }],
    ['client data without a challenge', { clientData: { challenge: undefined } }],
    ['a challenge that is a list', { clientData: { challenge: ['x'] } }],
    ['a challenge that no database takes', { clientData: { challenge: 'a\u0000b' } }],
  ])('refuses %s', async (_, twists) => {
    const user = await passkeyUser();
    expectRefused(await signIn(user, twists));
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
    const [victim, thief] = [await passkeyUser(), await passkeyUser()];
    const forged = thief.authenticator.get(await requestOptions());
    const id = victim.authenticator.id.toString('base64url');
    expectRefused(await signInWith({ ...forged, id, rawId: id }));
    const userHandle = Buffer.from(victim.id.replaceAll('-', ''), 'hex').toString('base64url');
    expectRefused(await signIn(thief, { userHandle }));
    const both = thief.authenticator.get(await requestOptions(), { userHandle });
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

describe("the caller's passkeys", () => {
  it('can be renamed and removed by their owner only', async () => {
    const [user, thief] = [await passkeyUser(), await t.user()];
    const rename = (token: string, name: string) => t.request('PATCH', `${path}/${user.passkey}`, { token, body: { name } }); // prettier-ignore
    expect((await rename(user.token, 'Old phone')).body).toMatchObject({ id: user.passkey, name: 'Old phone' });
    expect((await rename(thief.token, 'Mine')).body).toMatchObject({ status: 404, code: 'passkey_not_found' });
    expect((await remove(thief.token, user.passkey)).body).toMatchObject({ status: 404, code: 'passkey_not_found' });
    expect(await list(thief.token)).toEqual([]);
    expect(await list(user.token)).toMatchObject([{ name: 'Old phone' }]);

    expect((await remove(user.token, user.passkey)).status).toBe(204);
    expect((await remove(user.token, user.passkey)).status).toBe(404);
    expectRefused(await signIn(user));
    expect(await auditOf(user.id)).toEqual(['passkey.added', 'passkey.removed']);
  });

  it('include one that cannot be removed while there is no password', async () => {
    const user = await passkeyUser();
    const second = await withPasskey(user);
    await withoutPassword(user);
    expect((await remove(user.token, randomUUID())).status).toBe(404);
    expect((await remove(user.token, second.passkey)).status).toBe(204);
    expect((await remove(user.token, user.passkey)).body).toMatchObject({ status: 409, code: 'last_way_to_sign_in' });
    expect((await signIn(user)).status).toBe(201);
  });

  it('are deleted with the user, together with issued challenges', async () => {
    const user = await passkeyUser();
    await optionsFor(user.token);
    await t.request('DELETE', '/api/users/me', { token: user.token, body: { password: PASSWORD } });
    for (const table of ['passkeys', 'passkey_challenges']) {
      expect(await t.dataSource.query(`select from ${table} where user_id = $1`, [user.id])).toEqual([]);
    }
  });
});

it('issuing a passkey challenge deletes expired challenges', async () => {
  await requestOptions();
  t.clock.advance(5 * MINUTE);
  const { challenge } = await requestOptions();
  expect(await t.dataSource.query('select challenge from passkey_challenges')).toEqual([{ challenge }]);
});

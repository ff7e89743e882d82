import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestApp, startApp } from '../../support/app.js';
import { ORIGIN, PASSKEY_ENV, passkeyClient } from '../../support/clients/passkey-client.js';
import { cbor, type Deviations, VirtualAuthenticator } from '../../support/clients/virtual-authenticator.js';

const MINUTE = 60_000;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: PASSKEY_ENV });
  t.clock.set(Date.now());
});
afterAll(() => t.stop());

const {
  path,
  creationOptions,
  create,
  list,
  requestOptions,
  optionsFor,
  withPasskey,
  passkeyUser,
  withoutPassword,
  auditOf,
} = passkeyClient(() => t);

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
    expect((await create(user.token, { credential: named, name: ' My phone ' })).body).toMatchObject({
      name: 'My phone',
      is_synced: true,
    });
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
  it.each<[string, Deviations]>([
    ['another origin', { origin: 'https://evil.example' }],
    ['an allowed origin of another domain', { origin: 'https://other.example' }],
    ['an origin that looks alike', { origin: 'https://machi.example.evil.example' }],
    ['another port', { origin: `${ORIGIN}:8443` }],
    ['no encryption', { origin: 'http://machi.example' }],
    ['a frame in another page', { clientData: { crossOrigin: true } }],
    ['another domain', { rpId: 'evil.example' }],
    ['a challenge of its own', { challenge: 'A'.repeat(43) }],
    ['the other ceremony', { type: 'webauthn.get' }],
    ['user not verified', { flags: 0x41 }],
    ['user not present', { flags: 0x44 }],
    ['no credential', { flags: 0x05 }],
    ['extensions that are not there', { flags: 0xc5 }],
    ['an algorithm that was not requested', { alg: -35 }],
    ['attestation that was not requested', { fmt: 'apple' }],
    [
      'a certificate',
      packed([
        ['alg', -7],
        ['sig', Buffer.alloc(70)],
        ['x5c', Buffer.alloc(10)],
      ]),
    ],
    [
      'a wrong signature of itself',
      packed([
        ['alg', -7],
        ['sig', Buffer.alloc(70)],
      ]),
    ],
    ['an unexpected attestation statement', { attStmt: new Map([['x', 1]]) }],
    ['an unknown format', { fmt: 'x'.repeat(200) }],
    ['a challenge that is a number', { clientData: { challenge: 1 } }],
    ['a challenge that no database takes', { clientData: { challenge: 'a\u0000b' } }],
    ['a challenge with a lone surrogate', { clientData: { challenge: '\ud800' } }],
  ])('refuses %s', async (_, deviations) => {
    const user = await t.user();
    const credential = new VirtualAuthenticator(ORIGIN).create(await optionsFor(user.token), deviations);
    expect((await create(user.token, { credential })).body).toMatchObject({ status: 422, code: 'passkey_refused' });
    expect(await list(user.token)).toEqual([]);
  });

  it('refuses a challenge that was used, belongs to another user or was issued for a sign-in', async () => {
    const [user, attacker] = [await t.user(), await t.user()];
    const code = async (token: string, credential: object) => (await create(token, { credential })).body['code'];
    const options = await optionsFor(user.token);
    expect(await code(attacker.token, new VirtualAuthenticator(ORIGIN).create(options))).toBe('passkey_refused');
    const toSignIn = { ...options, challenge: (await requestOptions()).challenge };
    expect(await code(user.token, new VirtualAuthenticator(ORIGIN).create(toSignIn))).toBe('passkey_refused');
    expect(await code(user.token, new VirtualAuthenticator(ORIGIN).create(options))).toBeUndefined();
    expect(await code(user.token, new VirtualAuthenticator(ORIGIN).create(options))).toBe('passkey_refused');
    expect(await list(user.token)).toHaveLength(1);
  });

  it('refuses a challenge after one wrong response', async () => {
    const user = await t.user();
    const options = await optionsFor(user.token);
    const answers = [{ flags: 0x41 }, {}].map((deviations) =>
      new VirtualAuthenticator(ORIGIN).create(options, deviations),
    );
    for (const credential of answers) expect((await create(user.token, { credential })).status).toBe(422);
  });

  it('refuses malformed and deeply nested CBOR', async () => {
    const user = await t.user();
    const whole = Buffer.from(
      new VirtualAuthenticator(ORIGIN).create(await optionsFor(user.token)).response.attestationObject,
      'base64url',
    );
    const broken = {
      cut: whole.subarray(0, -20),
      'cut at once': whole.subarray(0, 1),
      'a length that is not there': Buffer.from([0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      'a map with 2^32 entries': Buffer.from([0xba, 0xff, 0xff, 0xff, 0xff]),
      nested: Buffer.alloc(12_000, 0x81),
      'no map': cbor('text'),
      'an empty map': cbor(new Map()),
      'more behind it': Buffer.concat([whole, Buffer.alloc(10)]),
      'data that is text': cbor(
        new Map<string, unknown>([
          ['fmt', 'none'],
          ['attStmt', new Map()],
          ['authData', 'x'.repeat(100)],
        ]),
      ),
      'data that is short': cbor(
        new Map<string, unknown>([
          ['fmt', 'none'],
          ['attStmt', new Map()],
          ['authData', Buffer.alloc(36)],
        ]),
      ),
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
    const {
      response,
      authenticatorAttachment: _,
      ...rest
    } = new VirtualAuthenticator(ORIGIN).create(await optionsFor(user.token));
    const { clientDataJSON, attestationObject } = response;
    const credential = { ...rest, response: { clientDataJSON, attestationObject } };
    expect((await create(user.token, { credential })).status).toBe(201);
  });

  it('accepts self-attestation', async () => {
    // "packed" with a signature by the credential's own key is what some browsers send although none was requested.
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

import base45 from 'base45';
import { generateKeyPairSync, randomBytes, randomInt } from 'node:crypto';
import { deflateRawSync, deflateSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CertificateVerificationService } from '../../../src/vaccination/certificates/certificate-verification.service.js';
import { CertificateKeys } from '../../../src/vaccination/certificates/certificate-keys.provider.js';
import { signHcert } from '../../../src/vaccination/certificates/formats/hcert.js';
import { signShc, toJws } from '../../../src/vaccination/certificates/formats/shc.js';
import { createUvci } from '../../../src/vaccination/certificates/formats/uvci.js';
import { startApp, type TestApp } from '../../support/app.js';
import { rounds } from '../../support/setup/rounds.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';
import { recordDose } from '../../support/vaccination/vaccination-doses.js';

const DAY_MS = 86_400_000;

let t: TestApp;
let certificate: Awaited<ReturnType<typeof issue>>;

async function issue() {
  const owner = await t.user();
  const { id } = await recordDose(t, await vaccinationWorld(t), owner);
  return (await t.request('POST', '/api/vaccination/certificates', { token: owner.token, body: { dose_id: id } })).body;
}

beforeAll(async () => {
  t = await startApp();
  certificate = await issue();
});
afterAll(() => t.stop());

const post = (body: string | object, headers: Record<string, string> = {}) =>
  t.request('POST', '/api/vaccination/certificates/verify', { body, headers });
const verify = async (qr: unknown) => (await post({ qr })).body;
const reasonOf = async (qr: string) => (await t.app.get(CertificateVerificationService).verify(qr)).reason;

const facts = (fields: object = {}) => ({
  uvci: createUvci('BD'),
  name: 'Md. Rahim Uddin',
  date_of_birth: '1990-04-01',
  disease: '840539006',
  product: 'Comirnaty',
  manufacturer: 'BioNTech',
  cvx_code: '208',
  who_code: null,
  lot_number: 'FA4598',
  dose: 1,
  doses: 2,
  given_on: '2027-01-18',
  country: 'BD',
  issuer: 'Machi',
  issued_at: t.clock.date(),
  expires_at: new Date(t.clock.now() + DAY_MS),
  ...fields,
});
const options = { issuerUrl: 'https://machi.example.org/shc', rid: 'abcdefghijkl' };

/** Some characters at random; all of them in the long form. */
const someOf = (alphabet: string): string[] =>
  rounds(0, 1) === 1 ? [...alphabet] : Array.from({ length: 4 }, () => alphabet[randomInt(alphabet.length)]!);

describe('POST /api/vaccination/certificates/verify', () => {
  it.each(['hcert', 'shc'] as const)('answers valid with what the certificate states (%s)', async (form) => {
    const answer = await post({ qr: certificate[form] });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      valid: true,
      reason: null,
      certificate: { uvci: certificate.uvci, family_name: 'Uddin', date_of_birth: '1990-04-01', dose: 1, doses: 2 },
    });
    expect(Object.keys(answer.body.certificate!)).not.toContain('id');
  });

  it('answers invalid for each changed character of an HC1 certificate', async () => {
    const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:a\0';
    const text = certificate.hcert;
    for (let at = 0; at < text.length; at++) {
      for (const character of someOf(alphabet)) {
        if (character === text[at]) continue;
        const reason = await reasonOf(text.slice(0, at) + character + text.slice(at + 1));
        if (reason === null) throw new Error(`valid with ${JSON.stringify(character)} at ${at}`);
      }
    }
  });

  it('answers invalid for each changed character of a SMART Health Card', async () => {
    const text = certificate.shc;
    for (let at = 0; at < text.length; at++) {
      for (const character of someOf('0123456789:S')) {
        if (character === text[at]) continue;
        const reason = await reasonOf(text.slice(0, at) + character + text.slice(at + 1));
        if (reason === null) throw new Error(`valid with ${JSON.stringify(character)} at ${at}`);
      }
    }
  });

  it.each(['hcert', 'shc'] as const)(
    'answers invalid when characters are removed, added or doubled (%s)',
    async (form) => {
      const text = certificate[form];
      const changed = [text.slice(0, -1), text.slice(1), `${text}0`, ` ${text}`, `${text} `, `${text}\n`, text + text];
      for (const qr of changed)
        expect(await verify(qr)).toEqual({ valid: false, reason: expect.any(String), certificate: null });
    },
  );

  it.each<[string, () => unknown]>([
    ['no text', () => undefined],
    ['null', () => null],
    ['a number', () => 7],
    ['an array', () => [certificate.hcert]],
    ['an object', () => ({ HC1: certificate.hcert })],
    ['an empty text', () => ''],
    ['only the prefix HC1:', () => 'HC1:'],
    ['only the prefix shc:/', () => 'shc:/'],
    ['NUL', () => '\0'],
    ['NUL after a certificate', () => `${certificate.hcert}\0`],
    ['a lone surrogate', () => 'HC1:\ud800'],
    ['letters that are no Base45', () => 'HC1:äöü'],
    ['an odd number of digits', () => 'shc:/123'],
    ['1 MB of text', () => 'HC1:'.padEnd(1_000_000, 'A')],
    ['90 KB of digits', () => 'shc:/'.padEnd(90_000, '5')],
    ['a stream that inflates to 2.6 MB', () => `HC1:${base45.encode(bomb())}`],
    ['nested CBOR', () => `HC1:${base45.encode(deflateSync(Buffer.alloc(16_000, 0x81)))}`],
    ['nested tags', () => `HC1:${base45.encode(deflateSync(Buffer.alloc(16_000, 0xd2)))}`],
    ['an empty message', () => `HC1:${base45.encode(deflateSync(Buffer.alloc(0)))}`],
    ['a compressed message of random bytes', () => `HC1:${base45.encode(deflateSync(randomBytes(300)))}`],
    [
      'CBOR that claims a payload of 4 GB',
      () => `HC1:${base45.encode(deflateSync(Buffer.from('d2845affffffff', 'hex')))}`,
    ],
    ['a card whose header is no JSON', () => card('{"alg":', '{}')],
    ['a card whose header is null', () => card('null', '{}')],
    ['a card without a signature algorithm', () => card('{"alg":"none","zip":"DEF","kid":"x"}', '{}')],
    ['a SHLink', () => 'shlink:/eyJ1cmwiOiJodHRwczovL2V4YW1wbGUub3JnIn0'],
  ])('answers 200 and unreadable for %s', async (_, qr) => {
    const answer = await post({ qr: qr() });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ valid: false, reason: 'unreadable', certificate: null });
  });

  it.each<[string, string, string]>([
    ['no JSON', '{"qr":', 'application/json'],
    ['an array', '[]', 'application/json'],
    ['plain text', 'HC1:A', 'text/plain'],
    ['a form', 'qr=HC1%3AA', 'application/x-www-form-urlencoded'],
    ['bytes that are not UTF-8', '\u00ff', 'application/octet-stream'],
  ])('answers 200 and unreadable for a body that is %s', async (_, body, type) => {
    const answer = await post(body, { 'content-type': type });
    expect([answer.status, answer.body.reason]).toEqual([200, 'unreadable']);
  });

  it('answers 200 without a body', async () => {
    const answer = await t.request('POST', '/api/vaccination/certificates/verify');
    expect([answer.status, answer.body.reason]).toEqual([200, 'unreadable']);
  });

  it('answers unknown_key for a certificate of another issuer, and for another key under our key id', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { hcertKid, shcKid } = t.app.get(CertificateKeys).getSigningKey();
    expect((await verify(await signHcert(facts(), randomBytes(8), privateKey))).reason).toBe('unknown_key');
    expect((await verify(signShc(facts(), options, 'k'.repeat(43), privateKey))).reason).toBe('unknown_key');
    expect((await verify(await signHcert(facts(), hcertKid, privateKey))).reason).toBe('bad_signature');
    expect((await verify(signShc(facts(), options, shcKid, privateKey))).reason).toBe('bad_signature');
  });

  it('answers by the signature when parts of valid certificates are combined, or the header names another algorithm', async () => {
    const second = await issue();
    const [one, two] = [certificate, second].map(({ hcert }) => inflateSync(base45.decode(hcert.slice(4)))) as [
      Buffer,
      Buffer,
    ];
    const ofOther = Buffer.concat([one.subarray(0, -64), two.subarray(-64)]);
    const [jws, jws2] = [certificate, second].map(({ shc }) => toJws(shc).split('.')) as [string[], string[]];
    const toCard = (parts: (string | undefined)[]): string => toNumeric(parts.join('.'));
    const header = (fields: object): string =>
      Buffer.from(JSON.stringify({ zip: 'DEF', alg: 'ES256', kid: certificateKid(), ...fields })).toString('base64url');
    const cases: [reason: string, qr: string][] = [
      ['bad_signature', toHcert(ofOther)],
      ['bad_signature', toCard([jws[0], jws2[1], jws[2]])],
      ['bad_signature', toCard([jws[0], jws[1], jws2[2]])],
      ['bad_signature', toCard([header({ typ: 'JWT' }), jws[1], jws[2]])],
      ['unknown_key', toCard([header({ kid: '__proto__' }), jws[1], jws[2]])],
      ['unreadable', toCard([header({ kid: { length: 1 } }), jws[1], jws[2]])],
      ['unreadable', toCard([header({ zip: 'GZIP' }), jws[1], jws[2]])],
      ...['none', 'HS256', 'RS256', 'ES384', 'es256', null].map((alg): [string, string] => [
        'unreadable',
        toCard([header({ alg }), jws[1], jws[2]]),
      ]),
      ['unreadable', toCard([jws[0], jws[1], ''])],
      ['unreadable', toHcert(Buffer.concat([Buffer.from([0xd2]), one]))], // two tags
      ['unreadable', toHcert(one.subarray(1))], // no tag
      ['unreadable', toHcert(Buffer.concat([one, Buffer.from([0])]))],
      ['unreadable', toHcert(setByte(one, 5, 0x22))], // alg: -3
      ['unreadable', toHcert(setByte(one, 5, 0x05))], // alg: 5, HMAC 256
      ['unknown_key', toHcert(setByte(one, 10, one[10]! ^ 1))], // the kid
      ['unreadable', certificate.hcert.toLowerCase()],
      ['unreadable', certificate.hcert.replace('HC1:', 'hc1:')],
      ['unreadable', certificate.hcert.replace('HC1:', 'HC2:')],
      ['unreadable', certificate.hcert.slice(4)],
      ['unreadable', certificate.shc.replace('shc:/', 'SHC:/')],
      ['unreadable', certificate.shc.replace('shc:/', 'shc:/1/2/')],
      ['unreadable', `HC1:${base45.encode(Buffer.concat([deflateSync(one, { level: 0 }), randomBytes(8)]))}`],
      ['unreadable', `HC1:${base45.encode(deflateSync(one, { level: 9 }))}`], // compressed: another text of the same bytes
    ];
    const found: [string, string][] = [];
    for (const [, qr] of cases) found.push([(await verify(qr)).reason!, qr]);
    expect(found).toEqual(cases);
    expect((await verify(second.hcert)).valid).toBe(true);
  });

  it('answers not_on_record for a certificate that our key signed but we never issued', async () => {
    const { hcertKid, shcKid, key } = t.app.get(CertificateKeys).getSigningKey();
    expect((await verify(await signHcert(facts(), hcertKid, key))).reason).toBe('not_on_record');
    expect((await verify(signShc(facts(), options, shcKid, key))).reason).toBe('not_on_record');
    const ofOther = await signHcert(facts({ uvci: certificate.uvci, name: 'Mallory' }), hcertKid, key);
    expect((await verify(ofOther)).reason).toBe('not_on_record');
  });

  it('answers by the validity of the certificate', async () => {
    const { hcertKid, shcKid, key } = t.app.get(CertificateKeys).getSigningKey();
    const early = facts({ issued_at: new Date(t.clock.now() + 120_000) });
    expect((await verify(await signHcert(early, hcertKid, key))).reason).toBe('not_yet_valid');
    expect((await verify(signShc(early, options, shcKid, key))).reason).toBe('not_yet_valid');
    const now = t.clock.now();
    t.clock.set(Date.parse(certificate.expires_at) - 1000);
    expect((await verify(certificate.hcert)).valid).toBe(true);
    t.clock.advance(1000);
    expect((await verify(certificate.hcert)).reason).toBe('expired');
    expect((await verify(certificate.shc)).reason).toBe('expired');
    t.clock.set(now);
  });

  it('answers unreadable for what our key signed and is no certificate', async () => {
    const { hcertKid, key } = t.app.get(CertificateKeys).getSigningKey();
    const odd = await signHcert(facts({ uvci: 7 }), hcertKid, key);
    expect((await verify(odd)).reason).toBe('unreadable');
  });
});

it('limits verifications per network', async () => {
  const limited = await startApp({ env: { RATE_LIMITS: 'on' } });
  const answer = await limited.request('POST', '/api/vaccination/certificates/verify', { body: { qr: '' } });
  expect(answer.headers.get('ratelimit-policy')).toContain('"certificate-verifications";q=600');
  await limited.stop();
});

/** A stream of 2.6 KB that inflates to 2.6 MB: the most that fits into a text of the length of a certificate. */
const bomb = (): Buffer => deflateSync(Buffer.alloc(2_600_000), { level: 9 });

const certificateKid = (): string => t.app.get(CertificateKeys).getSigningKey().shcKid;

const toHcert = (message: Buffer): string => `HC1:${base45.encode(deflateSync(message, { level: 0 }))}`;

const setByte = (bytes: Buffer, at: number, value: number): Buffer => Buffer.from(bytes).fill(value, at, at + 1);

const toNumeric = (jws: string): string =>
  `shc:/${[...Buffer.from(jws)].map((code) => String(code - 45).padStart(2, '0')).join('')}`;

/** A SMART Health Card with this header and payload, and an arbitrary signature. */
function card(header: string, payload: string): string {
  const parts = [Buffer.from(header), deflateRawSync(payload), Buffer.alloc(64, 1)];
  const jws = parts.map((part) => part.toString('base64url')).join('.');
  return toNumeric(jws);
}

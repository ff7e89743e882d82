import base45 from 'base45';
import { decodeFirstSync } from 'cbor';
import cose from 'cose-js';
import jsQRModule from 'jsqr';
import { SHCReader } from 'kill-the-clipboard';
import { createPublicKey, randomInt } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extractText, getDocumentProxy } from 'unpdf';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';
import { recordDose } from '../../support/vaccination/vaccination-doses.js';

// Its types and its module disagree about the default export.
const jsQR = ((jsQRModule as { default?: unknown }).default ?? jsQRModule) as typeof jsQRModule.default;

let t: TestApp;
let owner: SignedInUser;
let certificate: Awaited<ReturnType<typeof issue>>;

async function issue(user: SignedInUser, person: object = {}) {
  const world = await vaccinationWorld(t);
  const { id } = await recordDose(t, world, user, person);
  const answer = await t.request('POST', '/api/vaccination/certificates', { token: user.token, body: { dose_id: id } });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body;
}

beforeAll(async () => {
  t = await startApp({ env: { CERTIFICATE_ISSUER: 'Ministry of Tests' } });
  owner = await t.user();
  certificate = await issue(owner);
});
afterAll(() => t.stop());

const file = async (suffix: string): Promise<Response> => {
  const url = `${t.url}/api/vaccination/certificates/${certificate.id}${suffix}`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${owner.token}` } });
  expect(response.status).toBe(200);
  return response;
};

const bytesOf = async (suffix: string) => Buffer.from(await (await file(suffix)).arrayBuffer());

/** The text of the QR code in a picture, as a scanner reads it. */
async function scan(picture: Buffer): Promise<string | undefined> {
  const { data, info } = await sharp(picture, { density: 300 })
    .flatten({ background: 'white' })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return jsQR(new Uint8ClampedArray(data), info.width, info.height)?.data;
}

describe('an HC1 certificate', () => {
  const messageOf = (text: string): Buffer => inflateSync(base45.decode(text.slice(4)));

  it('is verified by cose-js with the published key, and states the person and the dose in the DCC schema 1.3.0', async () => {
    const { body } = await t.request('GET', '/.well-known/hcert-keys.json');
    const { kid, x, y, spki } = body.keys[0]!;
    const message = messageOf(certificate.hcert);
    const [protectedHeader] = decodeFirstSync(message).value as [Buffer];
    expect(decodeFirstSync(protectedHeader)).toEqual(
      new Map<number, unknown>([
        [1, -7],
        [4, Buffer.from(kid, 'base64')],
      ]),
    );
    const key = { x: Buffer.from(x, 'base64url'), y: Buffer.from(y, 'base64url') };
    const claims = decodeFirstSync(await cose.sign.verify(message, { key })) as Map<number, unknown>;
    expect(
      createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' }).export({ format: 'jwk' }),
    ).toMatchObject({ x, y });
    expect([claims.get(1), claims.get(6), claims.get(4)]).toEqual([
      'BD',
      Date.parse(certificate.issued_at) / 1000,
      Date.parse(certificate.expires_at) / 1000,
    ]);
    expect((claims.get(-260) as Map<number, unknown>).get(1)).toEqual({
      ver: '1.3.0',
      nam: { fn: 'Uddin', fnt: 'UDDIN', gn: 'Md. Rahim', gnt: 'MD<RAHIM' },
      dob: '1990-04-01',
      v: [
        {
          tg: '840539006',
          vp: '1119349007',
          mp: 'EU/1/20/1528',
          ma: 'ORG-100030215',
          dn: 1,
          sd: 2,
          dt: certificate.given_on,
          co: 'BD',
          is: 'Ministry of Tests',
          ci: certificate.uvci,
        },
      ],
    });
  });

  it('is refused by cose-js with any one bit of the message changed, and with another key', async () => {
    const { body } = await t.request('GET', '/.well-known/hcert-keys.json');
    const { x, y } = body.keys[0]!;
    const key = { x: Buffer.from(x, 'base64url'), y: Buffer.from(y, 'base64url') };
    const message = messageOf(certificate.hcert);
    const wrong = { x: key.y, y: key.x };
    await expect(cose.sign.verify(message, { key: wrong })).rejects.toThrow();
    for (const at of [20, 60, message.length - 70, message.length - 1]) {
      const changed = Buffer.from(message);
      changed[at]! ^= 1;
      await expect((async () => cose.sign.verify(changed, { key }))()).rejects.toThrow();
    }
  });

  it('is refused by other software with any character changed', () => {
    const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';
    const accepted: number[] = [];
    const original = messageOf(certificate.hcert);
    for (let at = 4; at < certificate.hcert.length; at++) {
      for (const character of Array.from({ length: 6 }, () => alphabet[randomInt(45)]!)) {
        if (character === certificate.hcert[at]) continue;
        const changed = certificate.hcert.slice(0, at) + character + certificate.hcert.slice(at + 1);
        try {
          if (messageOf(changed).equals(original)) accepted.push(at);
        } catch {
          // Base45 or zlib refuses it.
        }
      }
    }
    expect(accepted).toEqual([]);
  });
});

describe('a SMART Health Card', () => {
  it('is verified by kill-the-clipboard with the keys and the revocation list of the issuer', async () => {
    const keys = (await t.request('GET', '/api/vaccination/certificates/shc/.well-known/jwks.json')).body.keys;
    const list = await t.request('GET', `/api/vaccination/certificates/shc/.well-known/crl/${keys[0]!.kid}.json`);
    expect([list.status, list.headers.get('access-control-allow-origin')]).toEqual([200, '*']);
    expect(list.body).toEqual({ kid: keys[0]!.kid, method: 'rid', ctr: 0, rids: [] });
    const { kid: _, crlVersion: __, ...publicKey } = keys[0]!;
    const card = await new SHCReader({ publicKey: publicKey }).fromQRNumeric(certificate.shc);
    expect(await card.asBundle()).toEqual({
      resourceType: 'Bundle',
      type: 'collection',
      entry: [
        {
          fullUrl: 'resource:0',
          resource: {
            resourceType: 'Patient',
            name: [{ family: 'Uddin', given: ['Md.', 'Rahim'] }],
            birthDate: '1990-04-01',
          },
        },
        {
          fullUrl: 'resource:1',
          resource: {
            resourceType: 'Immunization',
            status: 'completed',
            vaccineCode: { coding: [{ system: 'http://hl7.org/fhir/sid/cvx', code: '208' }] },
            patient: { reference: 'resource:0' },
            occurrenceDateTime: certificate.given_on,
            performer: [{ actor: { display: 'Ministry of Tests' } }],
            lotNumber: 'FA4598',
          },
        },
      ],
    });
    const payload = card.asJWS().split('.')[1]!;
    const tampered = card.asJWS().replace(
      payload,
      payload.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    );
    await expect(new SHCReader({ publicKey: publicKey }).fromJWS(tampered)).rejects.toThrow();
  });

  it('is sent as a file that kill-the-clipboard reads', async () => {
    const response = await file('.smart-health-card');
    expect(response.headers.get('content-type')).toBe('application/smart-health-card');
    const { keys } = (await t.request('GET', '/api/vaccination/certificates/shc/.well-known/jwks.json')).body;
    const { kid: _, crlVersion: __, ...publicKey } = keys[0]!;
    const reader = new SHCReader({ publicKey: publicKey });
    expect((await (await reader.fromFileContent(await response.text())).asBundle()).resourceType).toBe('Bundle');
  });
});

describe('the files of a certificate', () => {
  it.each([
    ['.png', 'image/png', 'hcert'],
    ['.png?form=shc', 'image/png', 'shc'],
    ['.svg', 'image/svg+xml', 'hcert'],
    ['.svg?form=shc', 'image/svg+xml', 'shc'],
  ] as const)('%s is a QR code that a scanner reads', async (suffix, type, form) => {
    const response = await file(suffix);
    expect(response.headers.get('content-type')).toBe(type);
    expect(response.headers.get('cache-control')).toBe('private, no-cache');
    expect(await scan(Buffer.from(await response.arrayBuffer()))).toBe(certificate[form]);
  });

  it('answers 304 to a client that has the file, and 422 for an unknown form', async () => {
    const path = `/api/vaccination/certificates/${certificate.id}.png`;
    const first = await t.request('GET', path, { token: owner.token });
    const headers = { 'if-none-match': first.headers.get('etag')! };
    expect((await t.request('GET', path, { token: owner.token, headers })).status).toBe(304);
    expect((await t.request('GET', `${path}?form=x`, { token: owner.token })).status).toBe(422);
  });

  it('the PDF has all data in English and Bengali with an embedded font, and no national id', async () => {
    const bytes = await bytesOf('.pdf');
    expect(bytes.subarray(0, 5).toString()).toBe('%PDF-');
    expect(bytes.toString('latin1')).toMatch(/\/FontFile2/);
    expect(bytes.length).toBeLessThan(100_000);
    const { text, totalPages } = await extractText(await getDocumentProxy(new Uint8Array(bytes)), { mergePages: true });
    expect(totalPages).toBe(1);
    for (const part of [
      'Md. Rahim Uddin',
      '1990-04-01',
      'COVID-19',
      'Comirnaty',
      'Biontech',
      '1 of 2',
      'Bangladesh',
      'Ministry of Tests',
      certificate.uvci,
    ]) {
      expect(text.replaceAll(/\s+/g, ' ')).toContain(part);
    }
    expect(text).not.toContain('1234');
  });
});

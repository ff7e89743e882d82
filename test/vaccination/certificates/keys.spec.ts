import { createHash, createPublicKey } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Directory, SHCReader } from 'kill-the-clipboard';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyPair, readCertifiedKeyPair, readCertifiedKeys } from '../../../src/common/keys/key-pair.js';
import type { Config } from '../../../src/config/config.js';
import { CertificateKeys } from '../../../src/vaccination/certificates/certificate-keys.provider.js';
import { CertificatesService } from '../../../src/vaccination/certificates/certificates.service.js';
import { startApp, type TestApp } from '../../support/app.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';
import { recordDose } from '../../support/vaccination/vaccination-doses.js';

const [OLD, NEXT] = [createKeyPair(), createKeyPair()];
const publicPem = (pem: string) => createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString();
const SHC = '/api/vaccination/certificates/shc/.well-known';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { CERTIFICATE_KEY: OLD } });
});
afterAll(() => t.stop());

async function issue() {
  const owner = await t.user();
  const dose = await recordDose(t, await vaccinationWorld(t), owner);
  const body = { dose_id: dose.id };
  const answer = await t.request('POST', '/api/vaccination/certificates', { token: owner.token, body });
  return { owner, dose, body, certificate: answer.body };
}

const revoke = (doseId: string) =>
  t.dataSource.manager.transaction((manager) => t.app.get(CertificatesService).revokeForDose(manager, doseId));

const verify = async (app: TestApp, qr: string) =>
  (await app.request('POST', '/api/vaccination/certificates/verify', { body: { qr } })).body.reason;

describe('revocation lists', () => {
  it('name a revoked certificate in both forms until it expires, and other software refuses it', async () => {
    const { certificate, dose } = await issue();
    const [key] = (await t.request('GET', '/.well-known/hcert-keys.json')).body.keys;
    const kid = Buffer.from(key!.kid, 'base64').toString('base64url');
    const lists = async () => ({
      hcert: (await t.request('GET', `/api/vaccination/certificates/hcert/revocations/${kid}`)).body,
      jwks: (await t.request('GET', `${SHC}/jwks.json`)).body,
      crl: (await t.request('GET', `${SHC}/crl/${readCertifiedKeyPair(OLD).published.kid}.json`)).body,
    });
    const before = await lists();
    await revoke(dose.id);
    const after = await lists();
    const hash = createHash('sha256').update(certificate.uvci).digest().subarray(0, 16).toString('base64');
    expect(before.hcert).toMatchObject({ country: 'BD', hashType: 'UCI', kid: key!.kid, entries: [] });
    expect(after.hcert).toMatchObject({ expires: certificate.expires_at, entries: [{ hash }] });
    expect([before.jwks.keys[0]!.crlVersion, after.jwks.keys[0]!.crlVersion]).toEqual([0, 1]);
    expect(after.crl).toMatchObject({ method: 'rid', ctr: 1, rids: [expect.stringMatching(/^[\w-]{12}$/)] });
    await expect(readWithDirectory(certificate.shc, before)).resolves.toBeDefined();
    await expect(readWithDirectory(certificate.shc, after)).rejects.toThrow(/revoked/i);
    t.clock.advance(366 * 86_400_000);
    const later = await lists();
    expect([later.hcert.entries, later.crl.rids, later.crl.ctr]).toEqual([[], [], 1]);
    t.clock.advance(-366 * 86_400_000);
  });

  it('are sent again only after a revocation', async () => {
    await revoke((await issue()).dose.id);
    const { kid } = (await t.request('GET', '/.well-known/hcert-keys.json')).body.keys[0]!;
    const lists = [
      `/api/vaccination/certificates/hcert/revocations/${Buffer.from(kid, 'base64').toString('base64url')}`,
      `${SHC}/crl/${readCertifiedKeyPair(OLD).published.kid}.json`,
    ];
    for (const path of lists) {
      const { dose } = await issue();
      const { headers, text } = await t.request('GET', path);
      const again = { headers: { 'if-none-match': headers.get('etag')! } };
      const unchanged = await t.request('GET', path, again);
      expect([unchanged.status, unchanged.text]).toEqual([304, '']);
      expect(unchanged.headers.get('cache-control')).toBe('public, max-age=300');
      await revoke(dose.id);
      const changed = await t.request('GET', path, again);
      expect(changed.status).toBe(200);
      expect(changed.text).not.toBe(text);
    }
  });

  it.each([`${SHC}/crl/unknown.json`, '/api/vaccination/certificates/hcert/revocations/AAAAAAAAAAA'])(
    'answer 404 for a key that is not ours (%s)',
    async (path) => {
      expect((await t.request('GET', path)).body['code']).toBe('certificate_key_not_found');
    },
  );
});

/** Verifies a card as an app does that has downloaded keys and revocation lists. */
function readWithDirectory(shc: string, { jwks, crl }: { jwks: { keys: object[] }; crl: object }) {
  const issuer = { iss: `${t.config.publicUrl}/api/vaccination/certificates/shc`, name: 'Machi' };
  const issuerInfo = [{ issuer, keys: jwks.keys, crls: [crl] }];
  const issuerDirectory = Directory.fromJSON({ issuerInfo } as unknown as Parameters<typeof Directory.fromJSON>[0]);
  const { kid: _, crlVersion: __, ...publicKey } = jwks.keys[0] as Record<string, unknown>;
  return new SHCReader({ publicKey, issuerDirectory, verifyExpiration: false }).fromQRNumeric(shc);
}

describe('a rotation of the key', () => {
  it('keeps certificates of the former key valid while it is accepted, and replaces them when owners ask', async () => {
    const { certificate, owner, body } = await issue();
    const env = { CERTIFICATE_KEY: NEXT, ACCEPTED_CERTIFICATE_KEYS: publicPem(OLD) };
    const second = await startApp({ env, database: t.connection });
    expect(await verify(second, certificate.hcert)).toBeNull();
    expect(await verify(second, certificate.shc)).toBeNull();
    const { keys } = (await second.request('GET', '/.well-known/hcert-keys.json')).body;
    expect(keys.map(({ x }) => x)).toEqual([NEXT, OLD].map((pem) => readCertifiedKeyPair(pem).published.x));
    const token = await second.signIn(owner.username, owner.password);
    const renewed = await second.request('POST', '/api/vaccination/certificates', { token, body });
    expect(renewed.status).toBe(201);
    expect(await verify(second, certificate.hcert)).toBe('revoked');
    expect(await verify(t, renewed.body.hcert)).toBe('unknown_key'); // the next key was not accepted before it signed
    await second.stop();
  });

  it('makes certificates of a key that is no longer accepted invalid', async () => {
    const { certificate } = await issue();
    const second = await startApp({ env: { CERTIFICATE_KEY: NEXT }, database: t.connection });
    expect(await verify(second, certificate.hcert)).toBe('unknown_key');
    expect(await verify(second, certificate.shc)).toBe('unknown_key');
    await second.stop();
  });
});

it('the keys of certificates are not among the keys of tokens', async () => {
  const app = await startApp({ env: { CERTIFICATE_KEY: OLD, SIGNING_KEY: NEXT }, database: t.connection });
  const keysOf = async (path: string) => (await app.request('GET', path)).body['keys'].map(({ x }: { x: string }) => x);
  const [token, certificate] = [NEXT, OLD].map((pem) => readCertifiedKeyPair(pem).published.x);
  expect(await keysOf('/.well-known/jwks.json')).toEqual([token]);
  expect(await keysOf('/.well-known/hcert-keys.json')).toEqual([certificate]);
  expect(await keysOf(`${SHC}/jwks.json`)).toEqual([certificate]);
  await app.stop();
});

describe('CertificateKeys', () => {
  it('takes the kid from the X.509 certificate that follows the key, and publishes the certificate', () => {
    const folder = mkdtempSync(join(tmpdir(), 'machi-x509-'));
    writeFileSync(join(folder, 'key.pem'), OLD);
    const args = ['req', '-x509', '-key', join(folder, 'key.pem'), '-subj', '/C=BD/CN=Test', '-days', '2', '-out'];
    execFileSync('openssl', [...args, join(folder, 'certificate.pem')]);
    const x509 = readFileSync(join(folder, 'certificate.pem'), 'utf8');
    rmSync(folder, { recursive: true });
    const der = readCertifiedKeys(x509)[0]!.x509!;
    const keys = new CertificateKeys({
      CERTIFICATE_KEY: OLD + x509,
      ACCEPTED_CERTIFICATE_KEYS: publicPem(OLD),
    } as Config);
    const hash = createHash('sha256').update(der).digest().subarray(0, 8);
    expect(keys.getSigningKey().hcertKid).toEqual(hash);
    expect(keys.published.map((key) => key.x509 !== undefined)).toEqual([true, false]);
    expect(() => readCertifiedKeyPair(NEXT + x509)).toThrow('the certificate belongs to another key');
  });

  it('issues nothing without CERTIFICATE_KEY', () => {
    const keys = new CertificateKeys({} as Config);
    expect([keys.canSign, keys.published]).toEqual([false, []]);
    expect(() => keys.getSigningKey()).toThrow(expect.objectContaining({ code: 'certificates_unavailable' }));
  });
});

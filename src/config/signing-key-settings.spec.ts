import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { findConfigErrors, production } from '../../test/support/setup/config.js';

const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
const SIGNING_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pkcs8) as string;

describe('signing keys', () => {
  const spki = { type: 'spki', format: 'pem' } as const;
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
  const p256 = ec('P-256');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const fault = (env: Record<string, string>) => findConfigErrors({ ...production, ...env }).join('\n');

  it('may be P-256 keys', () => {
    expect(findConfigErrors({ ...production, SIGNING_KEY, ACCEPTED_SIGNING_KEYS: SIGNING_KEY })).toEqual([]);
  });

  it('may be several, with public ones among the accepted ones', () => {
    const ACCEPTED_SIGNING_KEYS = [SIGNING_KEY, p256.publicKey.export(spki)].join('\n');
    expect(findConfigErrors({ ...production, ACCEPTED_SIGNING_KEYS })).toEqual([]);
  });

  it.each<[string, string, string | Buffer]>([
    ['SIGNING_KEY', 'of the kind rsa', rsa.export(pkcs8)],
    ['SIGNING_KEY', 'of the kind secp384r1', ec('P-384').privateKey.export(pkcs8)],
    ['SIGNING_KEY', 'of the kind secp256k1', ec('secp256k1').privateKey.export(pkcs8)],
    ['SIGNING_KEY', 'of the kind ed25519', generateKeyPairSync('ed25519').privateKey.export(pkcs8)],
    ['SIGNING_KEY', 'of the kind x25519', generateKeyPairSync('x25519').privateKey.export(pkcs8)],
    ['SIGNING_KEY', 'encrypted', p256.privateKey.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: 'x' })],
    ['SIGNING_KEY', 'public', p256.publicKey.export(spki)],
    ['SIGNING_KEY', 'EC PRIVATE KEY', ec('P-256').privateKey.export({ type: 'sec1', format: 'pem' })],
    ['SIGNING_KEY', 'several', SIGNING_KEY + SIGNING_KEY],
    ['SIGNING_KEY', 'damaged', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
    ['SIGNING_KEY', 'not PEM', SIGNING_KEY.slice(0, -10)],
    ['SIGNING_KEY', 'not PEM', randomBytes(32).toString('hex')],
    ['ACCEPTED_SIGNING_KEYS', 'of the kind rsa', SIGNING_KEY + (rsa.export(pkcs8) as string)],
    [
      'ACCEPTED_SIGNING_KEYS',
      'encrypted',
      p256.privateKey.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: 'x' }),
    ],
    ['ACCEPTED_SIGNING_KEYS', 'not PEM', SIGNING_KEY + SIGNING_KEY.slice(0, -10)],
  ])('%s refuses a key and names the reason "%s" without showing the key', (name, why, pem) => {
    expect(findConfigErrors({ ...production, [name]: String(pem) })).toHaveLength(1);
    expect(fault({ [name]: String(pem) })).toMatch(new RegExp(`^${name} must be .*${why}`));
    expect(fault({ [name]: String(pem) })).not.toContain(String(pem).split('\n')[1]);
  });
});

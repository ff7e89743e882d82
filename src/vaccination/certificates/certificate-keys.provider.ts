import { Injectable } from '@nestjs/common';
import { createHash, type KeyObject } from 'node:crypto';
import { type CertifiedKey, readCertifiedKeyPair, readCertifiedKeys } from '../../common/keys/key-pair.js';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import type { SignedDocument } from './formats/signed-document.js';

/** A key that verifies certificates. */
export interface CertificateKey extends CertifiedKey {
  /** SubjectPublicKeyInfo (DER). */
  spki: Buffer;
  /** The `kid` of HC1 certificates. */
  hcertKid: Buffer;
}

/** The keys that sign and verify certificates. */
@Injectable()
export class CertificateKeys {
  /** The public keys, the signing one first. */
  readonly published: readonly CertificateKey[];
  private readonly signing?: { key: KeyObject; hcertKid: Buffer; shcKid: string };
  private readonly byKid: Record<SignedDocument['form'], ReadonlyMap<string, KeyObject>>;

  constructor({ CERTIFICATE_KEY, ACCEPTED_CERTIFICATE_KEYS }: Config) {
    const pair = CERTIFICATE_KEY === undefined ? undefined : readCertifiedKeyPair(CERTIFICATE_KEY);
    const accepted = ACCEPTED_CERTIFICATE_KEYS === undefined ? [] : readCertifiedKeys(ACCEPTED_CERTIFICATE_KEYS);
    const keys = [...(pair ? [pair] : []), ...accepted].map(toCertificateKey);
    this.published = [...new Map(keys.map((key) => [key.hcertKid.toString('hex'), key])).values()];
    if (pair) this.signing = { key: pair.privateKey, hcertKid: keys[0]!.hcertKid, shcKid: pair.published.kid };
    this.byKid = {
      hcert: new Map(keys.map(({ hcertKid, publicKey }) => [hcertKid.toString('base64'), publicKey])),
      shc: new Map(keys.map(({ published, publicKey }) => [published.kid, publicKey])),
    };
  }

  /** The key that signs, with its names in both forms. Throws `certificates_unavailable` if CERTIFICATE_KEY is not set. */
  getSigningKey(): { key: KeyObject; hcertKid: Buffer; shcKid: string } {
    if (!this.signing) throw new Problem('certificates_unavailable');
    return this.signing;
  }

  /** Whether certificates can be issued. */
  get canSign(): boolean {
    return this.signing !== undefined;
  }

  /** The key that a certificate names; undefined if it is not one of ours. */
  find({ form, kid }: SignedDocument): KeyObject | undefined {
    return this.byKid[form].get(kid);
  }
}

/**
 * The specification takes the `kid` from the X.509 certificate of the key: the first eight bytes of its SHA-256. A key without
 * one has the same bytes of its SubjectPublicKeyInfo.
 */
function toCertificateKey(key: CertifiedKey): CertificateKey {
  const spki = key.publicKey.export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(key.x509 ?? spki);
  return { ...key, spki, hcertKid: hash.digest().subarray(0, 8) };
}

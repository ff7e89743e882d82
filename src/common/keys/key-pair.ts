import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';

/** A public key in a JWKS (RFC 7517). */
export interface PublishedKey {
  kty: string;
  crv: string;
  x: string;
  y: string;
  kid: string;
  alg: 'ES256';
  use: 'sig';
}

/** A public key that verifies tokens. */
export interface VerificationKey {
  publicKey: KeyObject;
  published: PublishedKey;
}

/** A private key that signs tokens, with its public key. */
export interface KeyPair extends VerificationKey {
  privateKey: KeyObject;
}

/** A public key, with its X.509 certificate (DER) if it has one. */
export interface CertifiedKey extends VerificationKey {
  x509?: Buffer;
}

/** The whole text must be PEM blocks: a truncated key must not be skipped. */
const BLOCKS = /^(?:\s*-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----\s*)+$/;
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g;

const blocksOf = (pem: string): { label: string; block: string }[] => {
  if (!BLOCKS.test(pem)) throw new Error('this is not PEM, or not encoded as PKCS#8');
  return [...pem.matchAll(BLOCK)].map(([block, label]) => ({ label: label!, block }));
};

/** Reads one private key in PEM (PKCS#8). Throws an Error that describes the defect without showing the key. */
export function readKeyPair(pem: string): KeyPair {
  const [first, ...others] = blocksOf(pem);
  if (others.length > 0) throw new Error('these are several');
  return { ...readKey(first!), privateKey: readPrivate(first!) };
}

/** Reads any number of PEM keys, public or private; of private ones it returns the public part. Throws like readKeyPair. */
export const readVerificationKeys = (pem: string): VerificationKey[] => blocksOf(pem).map(readKey);

/** Reads one private key, and its X.509 certificate if the text has one. Throws like readKeyPair. */
export function readCertifiedKeyPair(pem: string): KeyPair & CertifiedKey {
  const blocks = blocksOf(pem);
  const keys = blocks.filter(({ label }) => label !== 'CERTIFICATE');
  const [certificate, ...others] = blocks.filter(({ label }) => label === 'CERTIFICATE').map(readCertificate);
  if (keys.length === 0) throw new Error('this is a certificate without its key');
  if (keys.length > 1 || others.length > 0) throw new Error('these are several');
  const pair = { ...readKey(keys[0]!), privateKey: readPrivate(keys[0]!) };
  if (certificate && certificate.published.kid !== pair.published.kid) {
    throw new Error('the certificate belongs to another key');
  }
  return { ...pair, ...certificate };
}

/** Reads any number of PEM keys and X.509 certificates, one after the other. Throws like readKeyPair. */
export const readCertifiedKeys = (pem: string): CertifiedKey[] =>
  blocksOf(pem).map((block) => (block.label === 'CERTIFICATE' ? readCertificate(block) : readKey(block)));

/** A new private key, as PEM. */
export const createKeyPair = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

function readCertificate({ block }: { block: string }): CertifiedKey {
  const { publicKey, raw } = parse(() => new X509Certificate(block));
  return { ...toVerificationKey(publicKey), x509: raw };
}

function readPrivate({ label, block }: { label: string; block: string }): KeyObject {
  if (label === 'ENCRYPTED PRIVATE KEY') throw new Error('this one is encrypted');
  if (label === 'PUBLIC KEY') throw new Error('this one is public');
  if (label !== 'PRIVATE KEY') throw new Error(`this is "${label}"`);
  return parse(() => createPrivateKey(block));
}

function readKey(pem: { label: string; block: string }): VerificationKey {
  const publicKey =
    pem.label === 'PUBLIC KEY' ? parse(() => createPublicKey(pem.block)) : createPublicKey(readPrivate(pem));
  return toVerificationKey(publicKey);
}

function toVerificationKey(publicKey: KeyObject): VerificationKey {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
  const kind = type === 'ec' ? `${details?.namedCurve}` : `${type}`;
  if (kind !== 'prime256v1') throw new Error(`this one is of the kind ${kind}`); // Node's name of P-256
  return { publicKey, published: toPublishedKey(publicKey.export({ format: 'jwk' })) };
}

/** The `kid` is the thumbprint of the key (RFC 7638): the hash of its required members in the order of their names. */
function toPublishedKey({ kty, crv, x, y }: JsonWebKey): PublishedKey {
  const members = { crv: crv!, kty: kty!, x: x!, y: y! };
  const kid = createHash('sha256').update(JSON.stringify(members)).digest('base64url');
  return { ...members, kid, alg: 'ES256', use: 'sig' };
}

function parse<T>(read: () => T): T {
  try {
    return read();
  } catch {
    throw new Error('this one is damaged'); // OpenSSL's message does not help an operator
  }
}

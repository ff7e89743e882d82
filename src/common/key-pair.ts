import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

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

function readPrivate({ label, block }: { label: string; block: string }): KeyObject {
  if (label === 'ENCRYPTED PRIVATE KEY') throw new Error('this one is encrypted');
  if (label === 'PUBLIC KEY') throw new Error('this one is public');
  if (label !== 'PRIVATE KEY') throw new Error(`this is "${label}"`);
  return parse(() => createPrivateKey(block));
}

function readKey(pem: { label: string; block: string }): VerificationKey {
  const publicKey =
    pem.label === 'PUBLIC KEY' ? parse(() => createPublicKey(pem.block)) : createPublicKey(readPrivate(pem));
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

function parse(read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch {
    throw new Error('this one is damaged'); // OpenSSL's message does not help an operator
  }
}

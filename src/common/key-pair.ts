import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

/** A public key in a JWKS (RFC 7517). */
export interface PublishedKey {
  kty: string;
  crv: string;
  x: string;
  y?: string;
  kid: string;
  alg: 'EdDSA' | 'ES256';
  use: 'sig';
}

/** A public key that verifies tokens of one algorithm. */
export interface VerificationKey {
  publicKey: KeyObject;
  published: PublishedKey;
}

/** A key pair that signs and verifies tokens. */
export interface KeyPair extends VerificationKey {
  privateKey: KeyObject;
}

/** The accepted types of key, as Node names them, and their algorithms. */
const ALGORITHMS = { ed25519: 'EdDSA', prime256v1: 'ES256' } as const;

/** Complete PEM blocks and nothing else, so that a truncated key is noticed. */
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
  if (!(kind in ALGORITHMS)) throw new Error(`this one is of the kind ${kind}`);
  return { publicKey, published: publish(publicKey.export({ format: 'jwk' }), kind as keyof typeof ALGORITHMS) };
}

/** Converts to a JWK whose `kid` is its thumbprint (RFC 7638): a hash of the required members in the order of names. */
function publish({ kty, crv, x, y }: JsonWebKey, kind: keyof typeof ALGORITHMS): PublishedKey {
  const members = { crv: crv!, kty: kty!, x: x!, ...(y === undefined ? {} : { y }) };
  const kid = createHash('sha256').update(JSON.stringify(members)).digest('base64url');
  return { ...members, kid, alg: ALGORITHMS[kind], use: 'sig' };
}

function parse(read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch {
    throw new Error('this one is damaged'); // the messages of OpenSSL do not help
  }
}

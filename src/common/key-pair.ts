import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

/** A public key as JWKS publish it (RFC 7517). */
export interface PublishedKey {
  kty: string;
  crv: string;
  x: string;
  y?: string;
  kid: string;
  alg: 'EdDSA' | 'ES256';
  use: 'sig';
}

/** What verifies tokens, by one algorithm only. */
export interface VerificationKey {
  publicKey: KeyObject;
  published: PublishedKey;
}

/** What signs them, too. */
export interface KeyPair extends VerificationKey {
  privateKey: KeyObject;
}

/** The kinds of key that count, by what Node calls them. P-256 is the one curve of ES256. */
const ALGORITHMS = { ed25519: 'EdDSA', prime256v1: 'ES256' } as const;

/** Nothing but whole blocks: a key that was cut off must not be overlooked. */
const BLOCKS = /^(?:\s*-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----\s*)+$/;
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g;

const blocksOf = (pem: string): { label: string; block: string }[] => {
  if (!BLOCKS.test(pem)) throw new Error('this is not PEM, or not encoded as PKCS#8');
  return [...pem.matchAll(BLOCK)].map(([block, label]) => ({ label: label!, block }));
};

/** One private key as PEM, PKCS#8. Throws an Error that says what is wrong with it and does not show it. */
export function readKeyPair(pem: string): KeyPair {
  const [first, ...others] = blocksOf(pem);
  if (others.length > 0) throw new Error('these are several');
  return { ...readKey(first!), privateKey: readPrivate(first!) };
}

/** Any number of keys as PEM, one after the other: public ones, or private ones, of which the public part counts. */
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

/** Its `kid` is its thumbprint (RFC 7638): the required members in the order of their names, hashed. */
function publish({ kty, crv, x, y }: JsonWebKey, kind: keyof typeof ALGORITHMS): PublishedKey {
  const members = { crv: crv!, kty: kty!, x: x!, ...(y === undefined ? {} : { y }) };
  const kid = createHash('sha256').update(JSON.stringify(members)).digest('base64url');
  return { ...members, kid, alg: ALGORITHMS[kind], use: 'sig' };
}

function parse(read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch {
    throw new Error('this one is damaged'); // OpenSSL's own words help nobody
  }
}

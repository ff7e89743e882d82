import type { JWTHeaderParameters, JWTPayload } from 'jose';
import { isEmail } from 'class-validator';
import { normaliseEmail } from '../../users/users.dto.js';
import { type Identity, SUBJECT } from './identity-provider.js';

/** Asymmetric algorithms only: never a shared secret, never `none`. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** Access tokens (RFC 9068), and ID tokens, which have `JWT` or no `typ`, as the access tokens of many providers do. */
const TYPES = [undefined, 'jwt', 'at+jwt', 'application/at+jwt'];
/** Keycloak puts the token type into a claim. */
const KEYCLOAK_TYPES = [undefined, 'Bearer', 'ID'];

/** Whether the header is that of an access or ID token with an accepted algorithm. */
export const isTokenHeader = ({ alg, typ }: Partial<JWTHeaderParameters>): boolean =>
  ALGORITHMS.includes(alg ?? '') && TYPES.includes(typeof typ === 'string' ? typ.toLowerCase() : typ);

/**
 * Whether the claims prove who sends the token. Refuses logout tokens and security events (`events`), Keycloak's refresh
 * tokens, and tokens bound to a key (`cnf`), whose proof of possession is not available here.
 */
export const provesIdentity = ({ sub, iat, events, cnf, typ }: JWTPayload, now: number): boolean =>
  typeof sub === 'string' && // jose does not check it
  SUBJECT.test(sub) &&
  events === undefined &&
  cnf === undefined &&
  KEYCLOAK_TYPES.includes(typ as string | undefined) &&
  (iat === undefined || iat <= now);

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Maps verified claims to an identity. */
export function toIdentity(issuer: string, claims: JWTPayload): Identity {
  const { sub, preferred_username, name, email, email_verified } = claims;
  return {
    issuer,
    subject: sub!,
    username: text(preferred_username),
    fullname: text(name),
    email: email_verified === true || email_verified === 'true' ? addressOf(email) : undefined, // some send a string
  };
}

/** Applies the rules of registration to an address. */
function addressOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 254 || !/^[\x21-\x7e]+$/.test(value)) return undefined;
  return isEmail(value) ? normaliseEmail(value) : undefined;
}

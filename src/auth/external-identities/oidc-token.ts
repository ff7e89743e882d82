import type { JWTHeaderParameters, JWTPayload } from 'jose';
import { isEmail } from 'class-validator';
import { normaliseEmail } from '../../users/users.dto.js';
import { type Identity, SUBJECT } from './identity-provider.js';

/** Those that a provider signs with and whose keys it publishes: never a shared secret, never none. */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']; // prettier-ignore

/** Access tokens (RFC 9068) and ID tokens; the latter, and access tokens of many providers, say `JWT` or nothing. */
const TYPES = [undefined, 'jwt', 'at+jwt', 'application/at+jwt'];
/** Keycloak says in a claim what others say in the header. */
const KEYCLOAK_TYPES = [undefined, 'Bearer', 'ID'];

export const isTokenHeader = ({ alg, typ }: Partial<JWTHeaderParameters>): boolean =>
  ALGORITHMS.includes(alg ?? '') && TYPES.includes(typeof typ === 'string' ? typ.toLowerCase() : typ);

/**
 * Whether these are the claims of a token that proves who sends it. Not: what tells of a logout or another event
 * (`events`), a refresh token of Keycloak's, a token bound to a key that only its owner holds (`cnf`): we do not see the
 * proof.
 */
export const isProof = ({ sub, iat, events, cnf, typ }: JWTPayload, now: number): boolean =>
  typeof sub === 'string' && // jose does not look
  SUBJECT.test(sub) &&
  events === undefined &&
  cnf === undefined &&
  KEYCLOAK_TYPES.includes(typ as string | undefined) &&
  (iat === undefined || iat <= now);

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What we take over from the claims. */
export function toIdentity(issuer: string, claims: JWTPayload): Identity {
  const { sub, preferred_username, name, email, email_verified } = claims;
  return {
    issuer,
    subject: sub!,
    username: text(preferred_username),
    fullname: text(name),
    email: email_verified === true ? addressOf(email) : undefined,
  };
}

/** By the rules of our own registration. */
function addressOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 254 || !/^[\x21-\x7e]+$/.test(value)) return undefined;
  return isEmail(value) ? normaliseEmail(value) : undefined;
}

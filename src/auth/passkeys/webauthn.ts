import {
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type WebAuthnCredential,
} from '@simplewebauthn/server';
import { decodeAttestationObject, decodeClientDataJSON, isoBase64URL } from '@simplewebauthn/server/helpers';
import type { RelyingParty } from './relying-party.provider.js';

/** EdDSA, ES256, RS256 (COSE). Named, so that a newer Node does not add others by itself. */
export const ALGORITHMS = [-8, -7, -257];

/** What came out of checking an authenticator's answer; `reason` is for the logs. */
export type Checked<T> = { value: T } | { reason: unknown };

export type NewCredential = WebAuthnCredential & { isSynced: boolean };

/** The challenge that an answer claims to be for; null when it cannot be read. */
export function challengeOf({ response }: { response: { clientDataJSON: string } }): string | null {
  try {
    const { challenge } = decodeClientDataJSON(response.clientDataJSON);
    return typeof challenge === 'string' ? challenge : null;
  } catch {
    return null;
  }
}

/** Checks the answer to registration options. */
export const checkRegistration = (
  response: RegistrationResponseJSON,
  expectedChallenge: string,
  { id, origins }: RelyingParty,
): Promise<Checked<NewCredential>> =>
  checked(async () => {
    assertOwnPage(response);
    assertNoAttestation(response);
    const { registrationInfo } = await verifyRegistrationResponse({
      response,
      expectedChallenge,
      expectedOrigin: origins,
      expectedRPID: id,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    });
    if (!registrationInfo) throw new Error('the attestation is not right');
    const { credential, credentialDeviceType } = registrationInfo;
    return { ...credential, isSynced: credentialDeviceType === 'multiDevice' };
  });

/**
 * Checks the answer to sign-in options; answers the authenticator's counter. Whether that has grown is the caller's to
 * say, once the signature is known to be right: the library would look at the counter first.
 */
export const checkAuthentication = (
  response: AuthenticationResponseJSON,
  expectedChallenge: string,
  { id, origins }: RelyingParty,
  credential: { id: string; publicKey: Uint8Array<ArrayBuffer> },
): Promise<Checked<number>> =>
  checked(async () => {
    assertOwnPage(response);
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response,
      expectedChallenge,
      expectedOrigin: origins,
      expectedRPID: id,
      requireUserVerification: true,
      credential: { ...credential, counter: 0 },
    });
    if (!verified) throw new Error('the signature is not right');
    return authenticationInfo.newCounter;
  });

/** The library throws whatever it finds, down to the stack overflow of nested CBOR: nothing else happens in here. */
async function checked<T>(check: () => Promise<T>): Promise<Checked<T>> {
  try {
    return { value: await check() };
  } catch (reason) {
    return { reason };
  }
}

/** Not from a frame inside another site's page. */
function assertOwnPage({ response }: { response: { clientDataJSON: string } }): void {
  if (decodeClientDataJSON(response.clientDataJSON).crossOrigin)
    throw new Error('asked for by a frame of another site');
}

/**
 * None is asked for; only what an authenticator says of itself is let through. Checking a manufacturer's certificates
 * could make the library fetch addresses that stand in them.
 */
function assertNoAttestation({ response }: RegistrationResponseJSON): void {
  const attestation = decodeAttestationObject(isoBase64URL.toBuffer(response.attestationObject));
  const isSelf = attestation.get('fmt') === 'packed' && attestation.get('attStmt').get('x5c') === undefined;
  if (attestation.get('fmt') !== 'none' && !isSelf) throw new Error('attestation that was not asked for');
}

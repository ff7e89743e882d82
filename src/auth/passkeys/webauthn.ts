import type { AuthenticationResponseJSON, RegistrationResponseJSON, WebAuthnCredential } from '@simplewebauthn/server';
import type { RelyingParty } from './relying-party.provider.js';

/** Loaded by the first passkey and not by the start: the package loads 290 files. */
export const webauthn = () => import('@simplewebauthn/server');
const helpers = () => import('@simplewebauthn/server/helpers');

/** EdDSA, ES256, RS256 (COSE). Listed, so that a newer library version does not add others. */
export const ALGORITHMS = [-8, -7, -257];

/** The result of verifying an authenticator's response; `reason` is the error. */
export type Verification<T> = { value: T } | { reason: unknown };

/** A verified new credential; `isSynced`: it is synchronised between devices. */
export type NewCredential = WebAuthnCredential & { isSynced: boolean };

/** The challenge that a response claims to answer; null if it cannot be read. */
export async function challengeOf({ response }: { response: { clientDataJSON: string } }): Promise<string | null> {
  const { decodeClientDataJSON } = await helpers();
  try {
    const { challenge } = decodeClientDataJSON(response.clientDataJSON);
    return typeof challenge === 'string' ? challenge : null;
  } catch {
    return null;
  }
}

/** Verifies the response to registration options. */
export const verifyRegistration = (
  response: RegistrationResponseJSON,
  expectedChallenge: string,
  { id, origins }: RelyingParty,
): Promise<Verification<NewCredential>> =>
  catchReason(async () => {
    await assertNotCrossOrigin(response);
    await assertNoManufacturerAttestation(response);
    const { verifyRegistrationResponse } = await webauthn();
    const { registrationInfo } = await verifyRegistrationResponse({
      response,
      expectedChallenge,
      expectedOrigin: origins,
      expectedRPID: id,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    });
    if (!registrationInfo) throw new Error('The attestation is not valid');
    const { credential, credentialDeviceType } = registrationInfo;
    return { ...credential, isSynced: credentialDeviceType === 'multiDevice' };
  });

/**
 * Verifies the response to sign-in options and returns the authenticator's signature counter. The caller must compare the
 * counter: the library would compare it before it verifies the signature.
 */
export const verifyAuthentication = (
  response: AuthenticationResponseJSON,
  expectedChallenge: string,
  { id, origins }: RelyingParty,
  credential: { id: string; publicKey: Uint8Array<ArrayBuffer> },
): Promise<Verification<number>> =>
  catchReason(async () => {
    await assertNotCrossOrigin(response);
    const { verifyAuthenticationResponse } = await webauthn();
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response,
      expectedChallenge,
      expectedOrigin: origins,
      expectedRPID: id,
      requireUserVerification: true,
      credential: { ...credential, counter: 0 },
    });
    if (!verified) throw new Error('The signature is not valid');
    return authenticationInfo.newCounter;
  });

/** The library throws errors of many kinds, including the stack overflow of deeply nested CBOR. */
async function catchReason<T>(check: () => Promise<T>): Promise<Verification<T>> {
  try {
    return { value: await check() };
  } catch (reason) {
    return { reason };
  }
}

/** Refuses responses from a frame inside another site's page. */
async function assertNotCrossOrigin({ response }: { response: { clientDataJSON: string } }): Promise<void> {
  const { decodeClientDataJSON } = await helpers();
  if (decodeClientDataJSON(response.clientDataJSON).crossOrigin)
    throw new Error('The request came from a frame of another site');
}

/**
 * Accepts no attestation or self-attestation only. Verifying a manufacturer's certificates could make the library fetch
 * addresses from them.
 */
async function assertNoManufacturerAttestation({ response }: RegistrationResponseJSON): Promise<void> {
  const { decodeAttestationObject, isoBase64URL } = await helpers();
  const attestation = decodeAttestationObject(isoBase64URL.toBuffer(response.attestationObject));
  const isSelf = attestation.get('fmt') === 'packed' && attestation.get('attStmt').get('x5c') === undefined;
  if (attestation.get('fmt') !== 'none' && !isSelf) throw new Error('The attestation was not requested');
}

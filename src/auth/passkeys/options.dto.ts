import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialDescriptorJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server';

/** The relying party for which a passkey is created. */
export class RelyingPartyDto {
  /** @example machi.example.org */
  id?: string;
  /** @example Machi */
  name: string;
}

/** The user for whom a passkey is created. */
export class PasskeyUserDto {
  /** @example AZnCpFseHD-PIT1am3weQg */
  id: string;
  /** @example hana.sato */
  name: string;
  /** @example "Hana Sato" */
  displayName: string;
}

/** Input for `PublicKeyCredential.parseCreationOptionsFromJSON()` and `navigator.credentials.create()`. */
export class CreationOptionsDto implements PublicKeyCredentialCreationOptionsJSON {
  rp: RelyingPartyDto;
  user: PasskeyUserDto;
  /** @example 4mJ0sVZk1eT8h2bq6xYp9wQcR3nLuA7iDfGoK5tHvSE */
  challenge: string;
  /** @example [{ "type": "public-key", "alg": -7 }] */
  pubKeyCredParams: { type: 'public-key'; alg: number }[];
  /**
   * In milliseconds.
   * @example 300000
   */
  timeout?: number;
  /** @example [{ "type": "public-key", "id": "VIlTM0VFyNzLDCZGmVRz7g", "transports": ["internal"] }] */
  excludeCredentials?: PublicKeyCredentialDescriptorJSON[];
  /** @example { "residentKey": "required", "requireResidentKey": true, "userVerification": "required" } */
  authenticatorSelection?: PublicKeyCredentialCreationOptionsJSON['authenticatorSelection'];
  /** @example [] */
  hints?: PublicKeyCredentialCreationOptionsJSON['hints'];
  /** @example none */
  attestation?: PublicKeyCredentialCreationOptionsJSON['attestation'];
  /** @example { "credProps": true } */
  extensions?: PublicKeyCredentialCreationOptionsJSON['extensions'];
}

/** Input for `PublicKeyCredential.parseRequestOptionsFromJSON()` and `navigator.credentials.get()`. */
export class RequestOptionsDto implements PublicKeyCredentialRequestOptionsJSON {
  /** @example machi.example.org */
  rpId?: string;
  /** @example 4mJ0sVZk1eT8h2bq6xYp9wQcR3nLuA7iDfGoK5tHvSE */
  challenge: string;
  /**
   * In milliseconds.
   * @example 300000
   */
  timeout?: number;
  /** @example required */
  userVerification?: PublicKeyCredentialRequestOptionsJSON['userVerification'];
}

/** A public key, per RFC 7517. */
export class JwkDto {
  /** @example OKP */
  kty: string;
  /** @example Ed25519 */
  crv: string;
  /** @example 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo */
  x: string;
  /**
   * Of ES256 keys only.
   * @example x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0
   */
  y?: string;
  /**
   * The thumbprint of the key (RFC 7638), as in the header of the tokens that it signs.
   * @example kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k
   */
  kid: string;
  /** @example EdDSA */
  alg: string;
  /** @example sig */
  use: string;
}

export class JwksDto {
  keys: JwkDto[];
}

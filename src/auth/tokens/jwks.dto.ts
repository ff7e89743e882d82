/** A public key, per RFC 7517. */
export class JwkDto {
  /** @example EC */
  kty: string;
  /** @example P-256 */
  crv: string;
  /** @example f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU */
  x: string;
  /** @example x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0 */
  y: string;
  /**
   * The thumbprint of the key (RFC 7638). Tokens that it signed name it in their header.
   * @example kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k
   */
  kid: string;
  /** @example ES256 */
  alg: string;
  /** @example sig */
  use: string;
}

export class JwksDto {
  keys: JwkDto[];
}

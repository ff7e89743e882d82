import { ApiProperty } from '@nestjs/swagger';
import { JwkDto } from '../../auth/tokens/jwks.dto.js';

/** A key of HC1 certificates, as a JWK (RFC 7517). */
export class HcertKeyDto extends JwkDto {
  /**
   * The `kid` of COSE: eight bytes in Base64.
   * @example QF+3AeqfzwQ=
   */
  override kid: string;
  /**
   * The SubjectPublicKeyInfo (DER) in Base64.
   * @example MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
   */
  spki: string;
  /** The X.509 certificate (DER) in Base64, if the key has one. */
  x5c?: string[];
}

export class HcertKeysDto {
  keys: HcertKeyDto[];
}

/** A key of SMART Health Cards, as a JWK (RFC 7517). */
export class ShcKeyDto extends JwkDto {
  /**
   * The version of the revocation list of this key.
   * @example 3
   */
  crlVersion: number;
}

export class ShcKeysDto {
  keys: ShcKeyDto[];
}

/** The revoked SMART Health Cards of a key. Member names are those of the SMART Health Cards framework. */
export class ShcRevocationsDto {
  /** @example kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k */
  kid: string;
  @ApiProperty({ enum: ['rid'] })
  method: 'rid';
  /**
   * Increases with every revocation.
   * @example 3
   */
  ctr: number;
  /** The member `rid` of each revoked card that has not expired. */
  rids: string[];
}

export class HcertRevocationDto {
  /**
   * The first 16 bytes of the SHA-256 of the certificate identifier, in Base64.
   * @example qlDJFXg0xIVkDEAWxk0P1A==
   */
  hash: string;
}

/** The revoked HC1 certificates of a key. Member names are those of revocation batches of the DCC gateway. */
export class HcertRevocationsDto {
  /** @example BD */
  country: string;
  /** When the last of them expires. */
  expires: Date;
  /** @example QF+3AeqfzwQ= */
  kid: string;
  @ApiProperty({ enum: ['UCI'] })
  hashType: 'UCI';
  entries: HcertRevocationDto[];
}

/** Tokens in the format of the augmented-reality service. */
export class TmtarSessionDto {
  /** @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl */
  access_token: string;
  /**
   * Only in response to an identity provider's token.
   * @example eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ1cm46bWFjaGkifQ.c2lnbmF0dXJl
   */
  refresh_token?: string;
  /** @example OK */
  status: string;
}

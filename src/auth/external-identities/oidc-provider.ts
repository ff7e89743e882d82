import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Clock } from '../../common/clock.provider.js';
import { Problem, tokenProblem } from '../../http/problems/problem.js';
import type { Config } from '../../config/config.js';
import { type Identity, IdentityProvider } from './identity-provider.js';
import { LEEWAY, OidcIssuer } from './oidc-issuer.js';
import { provesIdentity, isTokenHeader, toIdentity } from './oidc-token.js';

const MAX_TOKEN = 16_384;
/** The provider name for the issuer that the token names. */
const ANY_ISSUER = 'oidc';

/** EXTERNAL_IDENTITY=oidc: one or several OpenID Connect issuers. A provider's name is its issuer. */
export class OidcProvider extends IdentityProvider {
  readonly issuers: string[];
  private readonly byUrl: Map<string, OidcIssuer>;

  constructor(
    config: Config,
    private readonly clock: Clock,
  ) {
    super();
    this.issuers = config.OIDC_ISSUER;
    this.byUrl = new Map(this.issuers.map((url) => [url, new OidcIssuer(url, config, clock)]));
  }

  async identify(token: string, provider = ANY_ISSUER): Promise<Identity> {
    if (provider !== ANY_ISSUER && !this.byUrl.has(provider)) throw new Problem('unknown_identity_provider');
    const issuer = this.byUrl.get(issuerNamedBy(token));
    if (!issuer || (provider !== ANY_ISSUER && provider !== issuer.url)) throw tokenProblem('invalid_token');
    const claims = await issuer.verify(token);
    if (!provesIdentity(claims, this.clock.seconds() + LEEWAY)) throw tokenProblem('invalid_token');
    return toIdentity(issuer.url, claims);
  }
}

/** The issuer in a well-formed token, read before any key is fetched. Throws `invalid_token`. */
function issuerNamedBy(token: string): string {
  try {
    if (token.length <= MAX_TOKEN && isTokenHeader(decodeProtectedHeader(token))) return String(decodeJwt(token).iss);
  } catch (error) {
    throw tokenProblem('invalid_token', error);
  }
  throw tokenProblem('invalid_token');
}

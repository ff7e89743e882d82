import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Clock } from '../../common/clock.provider.js';
import { Problem, tokenProblem } from '../../http/problem.js';
import type { Config } from '../../config/config.js';
import { type Identity, IdentityProvider } from './identity-provider.js';
import { LEEWAY, OidcIssuer } from './oidc-issuer.js';
import { isProof, isTokenHeader, toIdentity } from './oidc-token.js';

const MAX_TOKEN = 16_384;
/** For whoever does not know which of the configured issuers a token is of. */
const ANY = 'oidc';

/** EXTERNAL_IDENTITY=oidc. A provider is named by its issuer. */
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

  async identify(token: string, provider = ANY): Promise<Identity> {
    if (provider !== ANY && !this.byUrl.has(provider)) throw new Problem('unknown_identity_provider');
    const issuer = this.byUrl.get(issuerNamedBy(token));
    if (!issuer || (provider !== ANY && provider !== issuer.url)) throw tokenProblem('invalid_token');
    const claims = await issuer.verify(token);
    if (!isProof(claims, this.clock.seconds() + LEEWAY)) throw tokenProblem('invalid_token');
    return toIdentity(issuer.url, claims);
  }
}

/** Of a token that looks like one; what does not makes us ask nobody. Raises `invalid_token`. */
function issuerNamedBy(token: string): string {
  try {
    if (token.length <= MAX_TOKEN && isTokenHeader(decodeProtectedHeader(token))) return String(decodeJwt(token).iss);
  } catch (error) {
    throw tokenProblem('invalid_token', error);
  }
  throw tokenProblem('invalid_token');
}

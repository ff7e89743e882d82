import type { Config } from '../../config/config.js';
import { ConfigError } from '../../config/config-error.js';
import { Problem, tokenProblem } from '../../http/problems/problem.js';
import { type Identity, IdentityProvider, SUBJECT } from './identity-provider.js';

const ISSUER = 'trusted-subject';
/** The subject of the first administrator, from the document of the augmented-reality service. */
const FIRST_ADMINISTRATOR = 'just_admins_identity';

/** EXTERNAL_IDENTITY=trusted-subject, for development and tests: takes the token itself as the subject. */
export class TrustedSubjectProvider extends IdentityProvider {
  readonly issuers = [ISSUER];

  /** Throws ConfigError in production, in addition to the configuration check. */
  constructor({ isProduction }: Pick<Config, 'isProduction'>) {
    super();
    if (isProduction) {
      throw new ConfigError(['EXTERNAL_IDENTITY is "trusted-subject": it is not allowed in production.']);
    }
  }

  identify(token: string, provider: string = ISSUER): Promise<Identity> {
    if (provider !== ISSUER) return Promise.reject(new Problem('unknown_identity_provider'));
    if (!SUBJECT.test(token)) return Promise.reject(tokenProblem('invalid_token'));
    const isFirstAdministrator = token === FIRST_ADMINISTRATOR;
    return Promise.resolve({ issuer: ISSUER, subject: token, username: token, isFirstAdministrator });
  }
}

import { Problem, tokenProblem } from '../../http/problem.js';
import { ConfigError } from '../../config/config-error.js';
import type { Config } from '../../config/config.js';
import { type Identity, IdentityProvider, SUBJECT } from './identity-provider.js';

const ISSUER = 'trusted-subject';
/** As the documents of an old system have it. */
const ROOT = 'just_admins_identity';

/** EXTERNAL_IDENTITY=trusted-subject, for development and tests: whoever names an account has it. */
export class TrustedSubjectProvider extends IdentityProvider {
  readonly issuers = [ISSUER];

  /** Raises ConfigError in production, whoever got as far as here. */
  constructor({ isProduction }: Pick<Config, 'isProduction'>) {
    super();
    if (isProduction) throw new ConfigError(['EXTERNAL_IDENTITY is "trusted-subject": production has no such thing.']);
  }

  identify(token: string, provider: string = ISSUER): Promise<Identity> {
    if (provider !== ISSUER) return Promise.reject(new Problem('unknown_identity_provider'));
    if (!SUBJECT.test(token)) return Promise.reject(tokenProblem('invalid_token'));
    return Promise.resolve({ issuer: ISSUER, subject: token, username: token, isRoot: token === ROOT });
  }
}

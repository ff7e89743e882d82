import { Problem } from '../../http/problems/problem.js';

/** A user at an identity provider. Claims about groups, roles and permissions are not read. */
export interface Identity {
  issuer: string;
  subject: string;
  /** The preferred username. */
  username?: string;
  fullname?: string;
  /** The e-mail address, if the provider has verified it. */
  email?: string;
  /** Whether this identity belongs to the first administrator; used by `trusted-subject` only. */
  isFirstAdministrator?: boolean;
}

/** Verifies tokens of identity providers. There is one implementation per value of EXTERNAL_IDENTITY. */
export abstract class IdentityProvider {
  /** The issuers whose identities can sign in. */
  abstract readonly issuers: string[];

  /**
   * Returns the identity that the token proves. Throws `invalid_token`, `token_expired`, `unknown_identity_provider`,
   * `identity_provider_unavailable`.
   */
  abstract identify(token: string, provider?: string): Promise<Identity>;
}

/** EXTERNAL_IDENTITY=off. */
export class DisabledProvider extends IdentityProvider {
  readonly issuers = [];

  identify(): Promise<Identity> {
    return Promise.reject(new Problem('unknown_identity_provider'));
  }
}

/** The subjects that OpenID Connect Core, section 2, allows: up to 255 ASCII characters. */
export const SUBJECT = /^[\x20-\x7e]{1,255}$/;

import { Problem } from '../../http/problem.js';

/** Who somebody is elsewhere, and what that place says of them. What it says about rights is not even read. */
export interface Identity {
  issuer: string;
  subject: string;
  /** As they would like to be called. */
  username?: string;
  fullname?: string;
  /** Verified there. */
  email?: string;
  /** Whether this is nobody new but the first administrator. */
  isRoot?: boolean;
}

/** Tells by a token who sends it; one for each value of EXTERNAL_IDENTITY. */
export abstract class IdentityProvider {
  /** Whose identities can sign in now. */
  abstract readonly issuers: string[];

  /**
   * Raises `invalid_token`, `token_expired`, `unknown_identity_provider`, `identity_provider_unavailable`.
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

/** What any provider may use as a subject: OpenID Connect Core, section 2, allows 255 characters of ASCII. */
export const SUBJECT = /^[\x20-\x7e]{1,255}$/;

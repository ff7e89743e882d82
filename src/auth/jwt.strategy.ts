import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AuthModuleOptions, PassportStrategy } from '@nestjs/passport';
import passport from 'passport';
import { Strategy, type StrategyOptionsWithoutRequest, type VerifyCallback } from 'passport-jwt';
import type { Caller } from '../users/caller.js';
import { AuthenticatorService } from './authenticator.service.js';
import { identityTokens } from './tokens/request-tokens.js';
import { ALGORITHMS, SigningKeys } from './tokens/signing-keys.provider.js';
import { TokensService } from './tokens/tokens.service.js';

/** passport-jwt with a name of its own: Passport's registry is process-wide, and a process may run several applications. */
class NamedJwtStrategy extends Strategy {
  constructor({ name, ...options }: StrategyOptionsWithoutRequest & { name: string }, verify: VerifyCallback) {
    super(options, verify);
    this.name = name;
  }
}

/** Verifies the identity token of a request and finds its caller. */
@Injectable()
export class JwtStrategy extends PassportStrategy(NamedJwtStrategy) implements OnApplicationShutdown {
  constructor(
    { defaultStrategy }: AuthModuleOptions,
    keys: SigningKeys,
    private readonly tokens: TokensService,
    private readonly authenticator: AuthenticatorService,
  ) {
    super({
      name: defaultStrategy as string,
      jwtFromRequest: (request) => identityTokens(request)[0], // JwtAuthGuard handles several
      secretOrKeyProvider: (_request, token, done) => {
        const key = keys.findVerificationKey(token as string);
        // The types know no KeyObject; jsonwebtoken takes one.
        done(key ? null : new Error('no key for this header'), key as unknown as Buffer);
      },
      algorithms: ALGORITHMS,
      ignoreExpiration: true, // checkCurrentClaims compares times with the injected clock
      jsonWebTokenOptions: { ignoreNotBefore: true },
    });
  }

  /** Runs after the signature was verified. Throws `invalid_token`, `token_expired`. */
  validate(payload: unknown): Promise<Caller> {
    return this.authenticator.getCaller(this.tokens.checkCurrentClaims(payload, 'identity'));
  }

  onApplicationShutdown(): void {
    passport.unuse(this.name);
  }
}

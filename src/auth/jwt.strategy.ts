import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AuthModuleOptions, PassportStrategy } from '@nestjs/passport';
import type { Request } from 'express';
import { LRUCache } from 'lru-cache';
import passport from 'passport';
import { Strategy, type StrategyOptionsWithRequest, type VerifyCallbackWithRequest } from 'passport-jwt';
import type { Caller } from '../users/caller.js';
import { AuthenticatorService } from './authenticator.service.js';
import { identityTokens } from './tokens/request-tokens.js';
import { ALGORITHMS, SigningKeys } from './tokens/signing-keys.provider.js';
import { TokensService } from './tokens/tokens.service.js';

/** passport-jwt under a unique name: Passport's registry is process-wide, and a process may run several applications. */
class NamedJwtStrategy extends Strategy {
  constructor({ name, ...options }: StrategyOptionsWithRequest & { name: string }, verify: VerifyCallbackWithRequest) {
    super(options, verify);
    this.name = name;
  }
}

/** About 2 KB each. */
const MAX_VERIFIED_TOKENS = 5_000;

/**
 * Verifies the identity token of a request and finds its caller. Remembers the payloads of tokens whose signature was
 * verified: the result never changes, and the verification is a large part of a short request. Times, session and rights
 * are checked for every request.
 */
@Injectable()
export class JwtStrategy extends PassportStrategy(NamedJwtStrategy) implements OnApplicationShutdown {
  private readonly verifiedPayloads = new LRUCache<string, object>({ max: MAX_VERIFIED_TOKENS });

  constructor(
    { defaultStrategy }: AuthModuleOptions,
    keys: SigningKeys,
    private readonly tokens: TokensService,
    private readonly authenticator: AuthenticatorService,
  ) {
    super({
      name: defaultStrategy as string,
      jwtFromRequest: tokenOf,
      passReqToCallback: true,
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

  override authenticate(request: Request): void {
    const payload = this.verifiedPayloads.get(tokenOf(request));
    if (payload === undefined) super.authenticate(request);
    else
      this.getCaller(payload).then(
        (caller) => this.success(caller),
        (error) => this.error(error),
      );
  }

  /** Runs after the signature was verified. Throws `invalid_token`, `token_expired`. */
  validate(request: Request, payload: object): Promise<Caller> {
    this.verifiedPayloads.set(tokenOf(request), payload);
    return this.getCaller(payload);
  }

  private async getCaller(payload: object): Promise<Caller> {
    return this.authenticator.getCaller(this.tokens.checkCurrentClaims(payload, 'identity'));
  }

  onApplicationShutdown(): void {
    passport.unuse(this.name);
  }
}

/** JwtAuthGuard handles requests with several tokens. */
const tokenOf = (request: Request): string => identityTokens(request)[0];

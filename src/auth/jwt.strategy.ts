import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { Clock } from '../common/clock.js';
import { tokenProblem } from '../common/problem.js';
import { Config } from '../config.js';
import type { CurrentUser } from '../users/current-user.js';
import { SessionsService } from './sessions.service.js';
import { ALGORITHM, signingKey } from './signing-key.js';
import type { IdentityClaims } from './tokens.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** passport-jwt checks signature, algorithm and issuer; times are checked here, by our own clock, and `exp` must be there. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    config: Config,
    private readonly clock: Clock,
    private readonly sessions: SessionsService,
  ) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: signingKey(config) as unknown as string, // a KeyObject made once: parsing a string costs more than verifying
      algorithms: [ALGORITHM],
      issuer: config.issuer,
      ignoreExpiration: true,
      jsonWebTokenOptions: { ignoreNotBefore: true },
    });
  }

  async validate(claims: Partial<IdentityClaims>): Promise<CurrentUser> {
    const now = this.clock.seconds();
    if (claims.kind !== 'identity' || typeof claims.sid !== 'string' || !UUID.test(claims.sid)) throw tokenProblem('invalid_token');
    if (typeof claims.exp !== 'number' || (claims.nbf ?? 0) > now) throw tokenProblem('invalid_token');
    if (claims.exp <= now) throw tokenProblem('token_expired');
    const user = await this.sessions.authenticate(claims.sid);
    if (!user) throw tokenProblem('invalid_token');
    return user;
  }
}

import { applyDecorators, type CanActivate, type ExecutionContext, Injectable, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiSecurity } from '@nestjs/swagger';
import type { Request } from 'express';
import { isTokenProblem, Problem } from '../../http/problems/problem.js';
import { Public } from '../../permissions/access.decorators.js';
import type { Caller } from '../../users/caller.js';
import { ReaderAuthenticatorService } from './reader-authenticator.service.js';
import type { Reader } from './reader.js';

/** Authenticates readers. Throws `token_required`, `invalid_token`, `token_expired`. */
@Injectable()
export class ReaderGuard implements CanActivate {
  constructor(private readonly authenticator: ReaderAuthenticatorService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request & { user?: Caller; reader?: Reader }>();
    try {
      request.reader = await this.authenticator.authenticate(request);
    } catch (error) {
      // Elsewhere, browsers would show a dialogue for a password.
      const isForComicReaders = request.path.startsWith('/api/opds') || request.path.endsWith('.cbz');
      throw isForComicReaders && error instanceof Problem && isTokenProblem(error.code)
        ? withBasicChallenge(error)
        : error;
    }
    return true;
  }
}

/** Comic readers ask for a user name and a password when the answer has this challenge. */
export function withBasicChallenge(problem: Problem): Problem {
  problem.headers['www-authenticate'] += ', Basic realm="Machi", charset="UTF-8"';
  return problem;
}

/** Anyone may read this route; what a reader sees depends on their rights. Take the reader with `@CurrentReader()`. */
export const OpenToReaders = (): MethodDecorator =>
  applyDecorators(Public(), UseGuards(ReaderGuard), ApiSecurity({}), ApiBearerAuth());

import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Observable } from 'rxjs';
import { jsonParser, readBody } from '../http/bodies/body-parser.js';
import { bodyProblemOf, hasBody } from '../http/bodies/json-body.middleware.js';
import { Problem } from '../http/problems/problem.js';

/** Reads the body as JSON for any Content-Type: `curl -d` declares a form. See `readAnyJson`. */
@Injectable()
export class AnyJsonInterceptor implements NestInterceptor {
  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    await readAnyJson(http.getRequest(), http.getResponse());
    return next.handle();
  }
}

/** Parses a body that the JSON middleware did not parse. Throws the problems of jsonParser. */
export async function readAnyJson(request: Request, response: Response): Promise<void> {
  const problem = bodyProblemOf(request);
  if (problem) throw problem;
  if (request.body !== undefined) return;
  if (!hasBody(request)) throw new Problem('malformed_json');
  request.headers['content-type'] = 'application/json';
  await readBody(jsonParser, request, response);
}

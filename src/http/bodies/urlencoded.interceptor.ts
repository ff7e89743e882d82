import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import express, { type Request, type Response } from 'express';
import type { Observable } from 'rxjs';
import { MAX_BODY_BYTES, readBody, withBodyLimit } from './body-parser.js';
import { assertShape } from './body-shape.js';
import { hasBody } from './json-body.middleware.js';
import { Problem } from '../problems/problem.js';

const parse = withBodyLimit(express.urlencoded({ extended: false, limit: MAX_BODY_BYTES, inflate: false }));

/**
 * Reads the form of one of our pages; a body that is missing is an empty form. Needs `@AcceptsBody('any')`. Throws
 * `unsupported_media_type`, `malformed_form`, `body_too_large`, `invalid_text`.
 */
@Injectable()
export class UrlencodedInterceptor implements NestInterceptor {
  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    request.body = hasBody(request) ? await this.read(request, http.getResponse<Response>()) : {};
    return next.handle();
  }

  private async read(request: Request, response: Response): Promise<object> {
    if (!request.is('urlencoded')) throw new Problem('unsupported_media_type');
    try {
      await readBody(parse, request, response);
    } catch (error) {
      const isTooLarge = error instanceof Problem && error.code === 'body_too_large';
      throw isTooLarge ? error : new Problem('malformed_form', { cause: error });
    }
    const fields = { ...(request.body as object) }; // the parser makes an object without a prototype
    assertShape(fields);
    return fields;
  }
}

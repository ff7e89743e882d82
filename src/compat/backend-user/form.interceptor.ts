import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import express, { type Request, type Response } from 'express';
import multer from 'multer';
import type { Observable } from 'rxjs';
import { MAX_BODY_BYTES, readBody, withBodyLimit } from '../../http/bodies/body-parser.js';
import { assertShape } from '../../http/bodies/body-shape.js';
import { isMultipart } from '../../http/bodies/body.guard.js';
import { Problem } from '../../http/problems/problem.js';
import { readAnyJson } from '../any-json.interceptor.js';

const parseUrlencoded = withBodyLimit(express.urlencoded({ extended: false, limit: MAX_BODY_BYTES, inflate: false }));
const parseMultipart = withBodyLimit(multer({ limits: { fieldNestingDepth: 0 } }).none());

/** Reads forms, urlencoded or multipart without files, and JSON. Throws `malformed_form` and the problems of JSON. */
@Injectable()
export class FormInterceptor implements NestInterceptor {
  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const [request, response] = [http.getRequest<Request>(), http.getResponse<Response>()];
    const isUrlencoded = Boolean(request.is('urlencoded'));
    if (isUrlencoded || isMultipart(request)) await this.readForm(request, response, isUrlencoded);
    else await readAnyJson(request, response);
    return next.handle();
  }

  private async readForm(request: Request, response: Response, isUrlencoded: boolean): Promise<void> {
    try {
      await readBody(isUrlencoded ? parseUrlencoded : parseMultipart, request, response);
    } catch (error) {
      const isTooLarge = error instanceof Problem && error.code === 'body_too_large';
      throw isTooLarge ? error : new Problem('malformed_form', { cause: error });
    }
    request.body = { ...(request.body as object) }; // the parsers make objects without a prototype
    assertShape(request.body as object);
  }
}

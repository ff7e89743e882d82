import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Config } from '../config/config.js';
import { logFailure } from '../http/problems/log-failure.js';
import { mapToProblem } from '../http/problems/problem-mapping.js';
import { sendProblem } from '../http/problems/problem-response.js';
import { PlainTextFilter } from './chatapp/plain-text.filter.js';

/** Whether a body of the shared sign-in route is the anime site's: an `email` and no `username`. */
export const isKitsuLogin = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'email' in body && !('username' in body);

/** Answers errors of the shared sign-in route in the format of the system that the body belongs to. */
@Catch()
export class SharedLoginFilter implements ExceptionFilter {
  private readonly plainText = new PlainTextFilter();

  constructor(private readonly config: Config) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const { COMPAT } = this.config;
    const isKitsu = COMPAT.includes('kitsu') && isKitsuLogin(http.getRequest<Request>().body);
    if (COMPAT.includes('chatapp') && !isKitsu) return this.plainText.catch(error, host);
    const problem = mapToProblem(error);
    logFailure(problem);
    sendProblem(http.getResponse<Response>(), problem);
  }
}

import {
  applyDecorators,
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { map, type Observable } from 'rxjs';
import { Config } from '../../config/config.js';
import { moveToCookie } from './refresh-cookie.js';
import type { RefreshDeliveryDto, SessionDto } from './sessions.dto.js';

type SignInRequest = Request<object, object, RefreshDeliveryDto | undefined>;

/** Moves the refresh token of the answer to the cookie if the body has `"refresh": "cookie"`. */
@Injectable()
export class RefreshCookieInterceptor implements NestInterceptor<SessionDto, Partial<SessionDto>> {
  constructor(private readonly config: Config) {}

  intercept(context: ExecutionContext, next: CallHandler<SessionDto>): Observable<Partial<SessionDto>> {
    const http = context.switchToHttp();
    const isWanted = http.getRequest<SignInRequest>().body?.refresh === 'cookie';
    const response = http.getResponse<Response>();
    return next.handle().pipe(map((session) => (isWanted ? moveToCookie(session, response, this.config) : session)));
  }
}

/** Documents that a route may set the refresh token as a cookie. */
export const ApiRefreshCookie = (): MethodDecorator => ApiExtension('x-refresh-cookie', true);

/** Moves the refresh token of a new session from the body to the cookie, if the request asks for it (`RefreshDeliveryDto`). */
export const MaySetRefreshCookie = (): MethodDecorator =>
  applyDecorators(UseInterceptors(RefreshCookieInterceptor), ApiRefreshCookie());

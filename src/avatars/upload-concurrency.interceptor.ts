import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import { catchError, finalize, type Observable, throwError } from 'rxjs';
import { drainRequest } from '../http/drain-request.js';
import { isMultipart } from '../http/body.guard.js';
import { unavailable } from '../http/problem.js';
import type { Caller } from '../users/caller.js';

/** Uploads between their first byte and their response, per process. Each may hold a file of 5 MiB in memory. */
const MAX_UPLOADS = 32;
const MAX_UPLOADS_PER_USER = 4;

/**
 * Limits how many forms are processed at once, before any of their bytes are read. A client whose form is refused may
 * go on sending for a second. Throws `too_many_uploads`.
 */
@Injectable()
export class UploadConcurrencyInterceptor implements NestInterceptor {
  private readonly uploadsByUser = new Map<string, number>();
  private uploads = 0;

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<Request & { user: Caller }>();
    if (!isMultipart(request)) return next.handle();
    return this.limit(request.user.id, next).pipe(
      catchError(async (error: unknown) => {
        await drainRequest(request);
        throw error;
      }),
    );
  }

  private limit(userId: string, next: CallHandler): Observable<unknown> {
    const ofUser = this.uploadsByUser.get(userId) ?? 0;
    if (this.uploads >= MAX_UPLOADS || ofUser >= MAX_UPLOADS_PER_USER) {
      return throwError(() => unavailable('too_many_uploads'));
    }
    this.count(userId, 1);
    return next.handle().pipe(finalize(() => this.count(userId, -1)));
  }

  private count(userId: string, change: 1 | -1): void {
    this.uploads += change;
    const ofUser = (this.uploadsByUser.get(userId) ?? 0) + change;
    if (ofUser > 0) this.uploadsByUser.set(userId, ofUser);
    else this.uploadsByUser.delete(userId);
  }
}
